"""The page: a Gradio app and its API.

- `theme`: colours and fonts.
- `alert`: an error of the project, shown to the visitor.
- `model_cache`: networks in memory, shared by all sessions.
- `explanation_cache`: recent explanations, shared by all sessions.
- `current`: the picture of a session.
- `session`: the state of a session, and how the tabs follow it.
- `choices`: the choice of methods that several tabs offer.
- `beside`: what stands beside the maps: sentences, and the planted focus of a phantom.
- `price`: how long slow methods take here.
- `link`: choices in the page's address.
- `download`: what is on screen as one zip.
- `sidebar`: the patch and the model, left of every tab.
- `tabs`: one module for each tab.
- `mapview`: the component that draws maps in the browser.
- `visit`: the page's address, pictures that are pasted or dropped, reload and Back.
- `server`: the API, and the checks of requests.
"""

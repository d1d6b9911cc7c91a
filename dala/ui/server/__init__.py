"""The server behind the page: everything that touches Gradio's internals is in this folder.

- `schemas`: parameters of the public endpoints.
- `api`: the public endpoints.
- `mcp`: the same endpoints as MCP tools.
- `uploads`: checks of uploaded files.
- `blocks`: `gr.Blocks` with checks and readable errors.
- `guard`: checks of requests before Gradio receives them.
- `scheduler`: whose turn the network's is.
- `events`: the page's handlers as jobs of the scheduler.
- `presence`: who has the page open; a visitor's jobs and state end with it.
- `pictures`: pictures as files that a page fetches once.
- `assets`: parts of Gradio's frontend that are left out.
- `memory`: freed memory goes back to the system.
- `zero_gpu`: the network on ZeroGPU.

Gradio promises nothing about the names below; a new minor version may change them. A test looks each of them up in the
installed Gradio, and the tests of requests, API and MCP check what they are used for.

    gradio.blocks.Blocks.process_api
    gradio.blocks.Blocks.preprocess_data(block_fn, inputs, state, explicit_call)
    gradio.blocks.Blocks.postprocess_data(block_fn, predictions, state)
    gradio.blocks.BlockFunction
    gradio.components.api_component.Api(value, _api_info, label)
    gradio.queueing.Event
    gradio.queueing.Queue.push
    gradio.queueing.Queue.send_message(event, event_message)
    gradio.server_messages.EventMessage
    gradio.state_holder.SessionState
    gradio.brotli_middleware.BrotliMiddleware
    gradio.route_utils.FnIndexInferError
    gradio.utils.get_upload_folder()
    gradio.mcp.GradioMCPServer(blocks)
    gradio.mcp.GradioMCPServer.get_input_schema(tool_name, parameters)
    gradio.mcp.GradioMCPServer._prepare_tool_call_args(name, arguments)
    gradio.mcp.GradioMCPServer.postprocess_output_data(data, root_url)

Not names, but relied upon just as much:

- `Blocks.queue` creates `Blocks._queue`, a plain `Queue`, whose class is then replaced; its dictionary
  `pending_messages_per_session` holds the open sessions, and `push` returns "queue_full" as its third value.
- `BrotliMiddleware._is_compressible_file_type` decides what is compressed.
- Gradio's app, which a request's scope holds, has a `state_holder` with `delete_state`, `session_data` and
  `time_last_used`; a page holds its heartbeat open.
- A launch with `mcp_server=True` looks `GradioMCPServer` up in the module `gradio.mcp`, where it was replaced.
- The routes under `/gradio_api/`, of which `guard.OPEN` lists those that the page uses; their headers
  `x-gradio-server` and `range`; the query `page` of `/gradio_api/info`.
- A file in a request is an object with a text `path`; uploads are in one folder per digest of their content.
"""

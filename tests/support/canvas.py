"""Read the pixels of a map view's canvas from the browser."""

import base64

import numpy as np

PIXELS = """([view, index]) => {
  const canvas = document.querySelectorAll(`${view} canvas`)[index];
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let text = '';
  for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
  return [canvas.width, canvas.height, btoa(text)];
}"""


def pixels(page, index: int, view: str = "#maps") -> np.ndarray:
    """Return a canvas as (height, width, 3) integers."""
    width, height, text = page.evaluate(PIXELS, [view, index])
    data = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
    assert (data[..., 3] == 255).all()
    return data[..., :3].astype(int)

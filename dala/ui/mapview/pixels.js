// Pixels of the map view: pure functions of arrays. A picture is one 32-bit RGBA word per pixel, row by row.
(dala => {
'use strict';

function bytes(base64) {
  return Uint8Array.from(atob(base64), c => c.charCodeAt(0));
}

// Bilinear interpolation with align_corners=False, as in torch.nn.functional.interpolate.
function upsample(map, [h, w], height, width) {
  const out = new Float32Array(height * width);
  const at = (i, n, size) => Math.min(Math.max((i + 0.5) * n / size - 0.5, 0), n - 1);
  for (let y = 0; y < height; y++) {
    const sy = at(y, h, height), y0 = Math.floor(sy), y1 = Math.min(y0 + 1, h - 1), fy = sy - y0;
    for (let x = 0; x < width; x++) {
      const sx = at(x, w, width), x0 = Math.floor(sx), x1 = Math.min(x0 + 1, w - 1), fx = sx - x0;
      const top = map[y0 * w + x0] * (1 - fx) + map[y0 * w + x1] * fx;
      const low = map[y1 * w + x0] * (1 - fx) + map[y1 * w + x1] * fx;
      out[y * width + x] = top * (1 - fy) + low * fy;
    }
  }
  return out;
}

// Nearest neighbour: every cell of the map as a flat rectangle.
function cells(map, [h, w], height, width) {
  const out = new Float32Array(height * width);
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor(y * h / height) * w;
    for (let x = 0; x < width; x++, i++) out[i] = map[row + Math.floor(x * w / width)];
  }
  return out;
}

// The map over the tissue. tissue: RGBA bytes; heat: one value per pixel; max: the value of the last colour, above 0;
// colours: RGB bytes of 256 colours; alpha: opacity, 0 to 1.
function blend(tissue, heat, max, colours, alpha) {
  const out = new Uint8ClampedArray(tissue);
  for (let i = 0; i < heat.length; i++) {
    const p = 4 * i, q = 3 * Math.min(255, Math.floor(heat[i] / max * 255 + 0.5));
    for (let c = 0; c < 3; c++) out[p + c] = tissue[p + c] * (1 - alpha) + colours[q + c] * alpha;
  }
  return new Uint32Array(out.buffer);
}

// Into `out`: the blended picture where the map is tau or more, the plain tissue elsewhere.
function keep(out, plain, blended, heat, tau) {
  for (let i = 0; i < out.length; i++) out[i] = heat[i] >= tau ? blended[i] : plain[i];
}

// Into `out`: the plain tissue, and in one colour the border of the region where the map is tau or more.
function outline(out, plain, colour, heat, tau, width, height) {
  out.set(plain);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (heat[i] >= tau && ((x > 0 && heat[i - 1] < tau) || (x < width - 1 && heat[i + 1] < tau)
          || (y > 0 && heat[i - width] < tau) || (y < height - 1 && heat[i + width] < tau))) out[i] = colour;
    }
  }
}

dala.pixels = {bytes, upsample, cells, blend, keep, outline};
})(globalThis.dala ??= {});

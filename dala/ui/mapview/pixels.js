// Pixels of the map view: pure functions of arrays. A picture is one 32-bit RGBA word per pixel, row by row.
(dala => {
'use strict';

const word = (...bytes) => new Uint32Array(new Uint8Array(bytes).buffer)[0];
const WHITE = word(255, 255, 255, 255), BLACK = word(0, 0, 0, 255);

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
// colours: RGB bytes of 256 colours; opacity: 0 to 1, of every value, or of the highest where it `follows` the value.
function blend(tissue, heat, max, colours, opacity, follows) {
  const out = new Uint8ClampedArray(tissue);
  for (let i = 0; i < heat.length; i++) {
    const share = heat[i] / max, p = 4 * i, q = 3 * Math.min(255, Math.floor(share * 255 + 0.5));
    const alpha = follows ? opacity * Math.min(1, Math.max(0, share)) : opacity;
    for (let c = 0; c < 3; c++) out[p + c] = tissue[p + c] * (1 - alpha) + colours[q + c] * alpha;
  }
  return new Uint32Array(out.buffer);
}

// The tissue outside the lamp's light: less saturated, then less bright.
function dimmed(tissue, {grey, dim, luma}) {
  const out = new Uint8ClampedArray(tissue);
  for (let p = 0; p < out.length; p += 4) {
    const light = tissue[p] * luma[0] + tissue[p + 1] * luma[1] + tissue[p + 2] * luma[2];
    for (let c = 0; c < 3; c++) out[p + c] = dim * (grey * tissue[p + c] + (1 - grey) * light);
  }
  return new Uint32Array(out.buffer);
}

// Into `out`: one picture where the map is tau or more, another elsewhere.
function keep(out, elsewhere, kept, heat, tau) {
  for (let i = 0; i < out.length; i++) out[i] = heat[i] >= tau ? kept[i] : elsewhere[i];
}

// Onto `out`: the border of the region where the map is tau or more, white, `line` pixels wide inside it, with a dark
// rim outside, so that it is visible on any stain. The picture's own border is no border of the region.
function outline(out, heat, tau, width, height, line) {
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const inside = heat[i] >= tau, most = inside ? line : 1;
      for (let d = 1; d <= most; d++) {
        if ((x >= d && heat[i - d] >= tau !== inside) || (x < width - d && heat[i + d] >= tau !== inside)
            || (y >= d && heat[i - d * width] >= tau !== inside)
            || (y < height - d && heat[i + d * width] >= tau !== inside)) {
          out[i] = inside ? WHITE : BLACK;
          break;
        }
      }
    }
  }
}

dala.pixels = {bytes, upsample, cells, blend, dimmed, keep, outline};
})(globalThis.dala ??= {});

// How a map and its thresholded part are drawn over the tissue: the looks of dala/heatmaps/looks.py, by the same names.
// follows: whether the opacity follows the value; kept: draws the thresholded map into `out`.
(dala => {
'use strict';

const border = (out, {width, height}, {heat}, tau, line) =>
  dala.pixels.outline(out, heat, tau, width, height, line);

dala.looks = {
  lamp: {
    follows: true,
    kept(out, scene, map, tau, light) {
      scene.dark ??= dala.pixels.dimmed(scene.tissue, light);
      dala.pixels.keep(out, scene.dark, scene.plain, map.heat, tau);
      border(out, scene, map, tau, light.line);
    },
  },
  veil: {
    follows: false,
    kept: (out, {plain}, {heat, blended}, tau) => dala.pixels.keep(out, plain, blended, heat, tau),
  },
  outline: {
    follows: true,
    kept(out, scene, map, tau, light) {
      out.set(scene.plain);
      border(out, scene, map, tau, light.line);
    },
  },
};
})(globalThis.dala ??= {});

// Crops stored pictures. They have title, camera and time around the image; pages show these as text,
// so they need only the image and the colour scale.

import { h } from "./dom.js";

// The layout of thermal/render/panel.py; a test compares the two.
export const LAYOUT = {
  margin: 14,
  gap: 12,
  header: 62,
  footer: 32,
  scale: 74,
  leastWidth: 192,
  leastHeight: 120,
  leastSide: 320,
  mostSide: 1280,
};

/** Size in px of a drawn image of `width` × `height` camera pixels. */
function displaySize(width, height) {
  const longest = Math.max(width, height);
  if (longest > LAYOUT.mostSide) {
    const shrink = (side) => Math.max(1, Math.floor((side * LAYOUT.mostSide) / longest));
    return [shrink(width), shrink(height)];
  }
  const factor = Math.max(
    1,
    Math.min(Math.ceil(LAYOUT.leastSide / longest), Math.floor(LAYOUT.mostSide / longest)),
  );
  return [width * factor, height * factor];
}

/** Regions of a stored picture in px: `{page, image, scale}`, each [x, y, w, h]. */
export function regions(width, height) {
  const [w, t] = displaySize(width, height);
  const roomW = Math.max(w, LAYOUT.leastWidth);
  const roomH = Math.max(t, LAYOUT.leastHeight);
  const page = [
    0,
    0,
    LAYOUT.margin + roomW + LAYOUT.gap + LAYOUT.scale,
    LAYOUT.header + roomH + LAYOUT.footer,
  ];
  const x = LAYOUT.margin + Math.floor((roomW - w) / 2);
  const y = LAYOUT.header + Math.floor((roomH - t) / 2);
  return {
    page,
    image: [x, y, w, t],
    // includes the unit above and half a label below
    scale: [LAYOUT.margin + roomW + 6, LAYOUT.header - 26, LAYOUT.scale + 6, roomH + 34],
  };
}

/** An element that shows the region `box` of a picture of size `page`, in its aspect ratio. */
export function cropped(url, page, box, alt) {
  const [, , pageW, pageH] = page;
  const [x, y, w, t] = box;
  return h(
    "div",
    { class: "crop", style: { aspectRatio: `${w} / ${t}` } },
    h("img", {
      src: url,
      alt,
      draggable: "false",
      decoding: "async",
      style: {
        width: `${(100 * pageW) / w}%`,
        height: `${(100 * pageH) / t}%`,
        left: `${(-100 * x) / w}%`,
        top: `${(-100 * y) / t}%`,
      },
    }),
  );
}

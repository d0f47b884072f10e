// The view as a PNG: what is on the screen, with scale bar and a line that says what it is.

export async function savePicture(panels, name) {
  const ratio = Math.max(2, window.devicePixelRatio || 1);
  const boxes = panels.map((panel) => panel.box.getBoundingClientRect());
  const height = Math.max(...boxes.map((box) => box.height));
  const foot = 40;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round((boxes.reduce((sum, box) => sum + box.width, 0) + 4 * (boxes.length - 1)) * ratio);
  canvas.height = Math.round((height + foot) * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  let left = 0;
  panels.forEach((panel, i) => {
    pen.save();
    pen.translate(left, 0);
    drawPanel(pen, panel, boxes[i], height, foot);
    pen.restore();
    left += boxes[i].width + 4;
  });
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name.replace(/[^\w.-]+/g, "-") || "view"}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function drawPanel(pen, panel, box, height, foot) {
  pen.save();
  pen.beginPath();
  pen.rect(0, 0, box.width, box.height);
  pen.clip();
  for (const image of panel.box.querySelectorAll("img.leaflet-tile, img.heat")) {
    if (!image.complete || !image.naturalWidth) continue;
    const at = image.getBoundingClientRect();
    const isHeat = image.classList.contains("heat");
    pen.globalAlpha = isHeat ? Number(getComputedStyle(image).opacity) : 1;
    pen.imageSmoothingEnabled = !isHeat;
    pen.drawImage(image, at.left - box.left, at.top - box.top, at.width, at.height);
  }
  pen.restore();
  pen.font = "12px sans-serif";
  const line = panel.box.querySelector(".leaflet-control-scale-line");
  if (line) {
    const wide = line.getBoundingClientRect().width;
    pen.fillStyle = "#ffffffd9";
    pen.fillRect(8, box.height - 34, wide + 12, 28);
    pen.fillStyle = "#000";
    pen.fillRect(14, box.height - 13, wide, 3);
    pen.fillText(line.textContent, 14, box.height - 19);
  }
  pen.fillStyle = "#000";
  const { method, map, patient, slide } = panel.asked() ?? { slide: panel.slide?.slide ?? "", patient: panel.patient?.patient ?? "" };
  pen.fillText([patient, slide].filter(Boolean).join(", "), 6, height + 15, box.width - 12);
  if (!method) return;
  const words = `${method}, ${map.replaceAll("_", " ")}`;
  pen.fillText(words, 6, height + 32, box.width - 190);
  const bar = pen.createLinearGradient(box.width - 170, 0, box.width - 10, 0);
  panel.about?.colours.forEach((colour, i, all) => bar.addColorStop(i / (all.length - 1), colour));
  pen.fillStyle = bar;
  pen.fillRect(box.width - 170, height + foot - 18, 160, 9);
}

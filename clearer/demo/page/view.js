// The view: a picture before and after, from fit to 4:1, and the line between them.

const $ = (id) => document.getElementById(id);
const [before, after] = [$("before"), $("after")];

let size = null; // of the picture that is shown
let split = 50; // share of the view that shows the picture before, in percent

// Show another picture; null: the place to drop one. What is after is for paint() to draw.
export function show(picture) {
  size = picture && { width: picture.width, height: picture.height };
  $("empty").hidden = size !== null;
  $("viewer").hidden = size === null;
  for (const canvas of [before, after]) Object.assign(canvas, size ?? { width: 0, height: 0 });
  if (size === null) return;
  drawBefore(picture);
  $("stage").style.setProperty("--ratio", size.width / size.height); // narrow screens make it as high as the picture
  layOut();
}

function drawBefore({ input, width }) {
  before.getContext("2d").putImageData(new ImageData(input, width), 0, 0);
}

// What can be seen of the picture after, in its pixels.
export function visible() {
  const [frame, scroll] = [$("frame"), $("scroll")].map((box) => box.getBoundingClientRect());
  const scale = size.width / frame.width;
  const x = Math.floor(Math.max((size.width * split) / 100, (scroll.left - frame.left) * scale));
  const y = Math.max(0, Math.floor((scroll.top - frame.top) * scale));
  const right = Math.min(size.width, Math.ceil((scroll.right - frame.left) * scale));
  const bottom = Math.min(size.height, Math.ceil((scroll.bottom - frame.top) * scale));
  return { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
}

function layOut() {
  if (size === null) return;
  const zoom = document.querySelector("input[name=zoom]:checked").value;
  const scroll = $("scroll");
  scroll.classList.toggle("fit", zoom === "fit");
  const scale = zoom === "fit"
    ? Math.min(scroll.clientWidth / size.width, scroll.clientHeight / size.height)
    : Number(zoom) / devicePixelRatio;
  $("frame").style.width = `${size.width * scale}px`;
  $("frame").style.height = `${size.height * scale}px`;
  $("frame").classList.toggle("pixels", scale * devicePixelRatio >= 2);
  moveSplit(split);
}

function moveSplit(percent) {
  split = Math.min(100, Math.max(0, percent));
  after.style.clipPath = `inset(0 0 0 ${split}%)`;
  $("divider").style.left = `${split}%`;
  $("knob").setAttribute("aria-valuenow", Math.round(split));
}

function followPointer(event) {
  const box = $("frame").getBoundingClientRect();
  moveSplit((100 * (event.clientX - box.left)) / box.width);
}

$("frame").addEventListener("pointerdown", (event) => {
  // A finger scrolls a large picture, unless it takes the knob.
  if (event.pointerType === "touch" && !$("knob").contains(event.target)) return;
  $("frame").setPointerCapture(event.pointerId);
  followPointer(event);
});
$("frame").addEventListener("pointermove", (event) => {
  if ($("frame").hasPointerCapture(event.pointerId)) followPointer(event);
});
$("knob").addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, Home: -100, End: 100 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  moveSplit(split + steps[event.key]);
});
new ResizeObserver(layOut).observe($("stage"));

for (const input of document.querySelectorAll("input[name=zoom]")) {
  input.addEventListener("change", () => {
    layOut();
    const [scroll, frame] = [$("scroll"), $("frame")];
    scroll.scrollLeft = (frame.offsetWidth * split) / 100 - scroll.clientWidth / 2;
    scroll.scrollTop = (frame.offsetHeight - scroll.clientHeight) / 2;
  });
}

// Review page: step through unreviewed anomalies and give verdicts.

import { agoTime } from "./ages.js";
import { address, get, query } from "./api.js";
import { Cameras } from "./cameras.js";
import { at, empty, h } from "./dom.js";
import { Drafts } from "./drafts.js";
import { explained, nameSign } from "./explained.js";
import { localTime, plural, sigma } from "./format.js";
import { bindKeys } from "./keys.js";
import { notify, trouble } from "./notice.js";
import { Queue } from "./queue.js";
import { may } from "./shell.js";
import { SETTLE_MS, conflictText, postVerdict } from "./verdicts.js";
import { Viewer } from "./viewer.js";
import { onNews } from "./live.js";
import { reason, verdictName } from "./words.js";

const params = new URLSearchParams(location.search);
const queue = new Queue(params.get("camera") ?? "");
const all = new Cameras(false);
const viewer = new Viewer(at("viewer"), (sign) => nameSign(at("facts"), sign));
const decides = may("reviewer");
const drafts = decides ? new Drafts(at("note")) : null;
const decided = []; // results of each verdict with their versions since, latest last, for undo
let shownId = null;
let settledAt = Infinity; // from when a verdict is about the frame shown (performance.now())
let busy = false;
let waiting = 0;

function itemOf(result) {
  const thumb = h("img", {
    class: "thumb",
    src: address("results", result.id, "pictures", "thumbnail"),
    alt: "",
    loading: "lazy",
  });
  const words = result.reasons.map((word) => reason(word)[0]).join(", ");
  return h(
    "li",
    { class: "item", "aria-current": String(result.id === queue.current?.id) },
    decides
      ? h("input", {
          type: "checkbox",
          checked: queue.selected.has(result.id),
          "aria-label": `Select ${result.image_path}`,
          onchange: () => {
            queue.toggle(result.id);
            draw();
          },
        })
      : null,
    h(
      "button",
      {
        type: "button",
        title: `${result.image_path}, ${localTime(result.arrived_at)}`,
        onclick: () => {
          queue.show(result);
          draw();
        },
      },
      thumb,
      h(
        "span",
        null,
        h("b", null, result.camera),
        h("small", null, `${sigma(result.score, 1)} · `, agoTime(result.arrived_at)),
        h("small", null, words),
      ),
    ),
  );
}

function drawQueue() {
  const list = at("queue");
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  list.replaceChildren(...queue.items.map(itemOf));
  if (focused >= 0) list.children[focused]?.querySelector("button").focus();
  scrollTo(list, list.children[queue.index()]);
  at("more").hidden = queue.next === null;
}

/** Scroll the list, but not the page, until the item is visible. */
function scrollTo(list, item) {
  if (!item) return;
  const [top, bottom] = [item.offsetTop - list.offsetTop, item.offsetTop - list.offsetTop + item.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

function drawSelection() {
  if (!decides) return;
  const count = queue.selected.size;
  at("selected").textContent = count > 0 ? `${count} selected` : "";
  at("all").checked = count > 0 && count === queue.items.length;
  at("all").indeterminate = count > 0 && count < queue.items.length;
  at("confirm").firstElementChild.textContent = count > 0 ? `Confirm ${count}` : "Confirm";
  at("false-alarm").firstElementChild.textContent =
    count > 0 ? `${count} false alarm${count > 1 ? "s" : ""}` : "False alarm";
}

/** What a note belongs to: the selected frames together, or the one shown. */
function noteKey() {
  return queue.selected.size > 0 ? "selected" : queue.current?.id;
}

/** For a moment after another frame appears, verdicts would be about the one before. */
function settle() {
  settledAt = performance.now() + SETTLE_MS;
  drawDecide();
  setTimeout(drawDecide, SETTLE_MS + 20);
}

function canDecide() {
  if (busy || performance.now() < settledAt) return false;
  return queue.selected.size > 0 || !queue.isElsewhere();
}

function drawDecide() {
  if (!decides) return;
  for (const id of ["confirm", "false-alarm"]) at(id).setAttribute("aria-disabled", String(!canDecide()));
}

/** Say who has reviewed the frame shown, if it has left the queue. */
async function drawElsewhere() {
  const box = at("elsewhere");
  const { current } = queue;
  box.hidden = !queue.isElsewhere();
  if (box.hidden || box.dataset.id === String(current.id)) return;
  box.dataset.id = String(current.id);
  box.textContent = "This frame is no longer in the queue.";
  const result = await get(address("results", current.id)).catch(() => null);
  if (queue.current !== current) return;
  const [review] = result?.reviews ?? [];
  const text = review ? `${review.reviewer} has reviewed this frame: ${verdictName(review.verdict)}.` : "This frame has been deleted.";
  box.replaceChildren(text, " Go on with ", h("b", null, "Next"), ".");
}

function drawNothing() {
  at("nothing").replaceChildren(
    empty(
      "Nothing to review",
      "Every flagged frame has a verdict. New ones appear here.",
      h(
        "div",
        { class: "row" },
        h("a", { class: "button primary", href: "/" }, "Open the wall"),
        h("a", { class: "button", href: "/history?prediction=Anomaly" }, "Earlier anomalies"),
      ),
    ),
  );
}

function draw() {
  const { current } = queue;
  at("review").hidden = current === null;
  at("nothing").hidden = current !== null;
  at("undo").hidden = decided.length === 0;
  if (current === null) {
    at("position").textContent = "";
    shownId = null;
    drawNothing();
    return;
  }
  const place = queue.index();
  const total = Math.max(waiting, queue.items.length);
  const elsewhere = queue.isElsewhere();
  at("position").textContent = elsewhere ? `${total} unreviewed` : `${place + 1} of ${total} unreviewed`;
  at("previous").disabled = !elsewhere && place <= 0;
  at("next").disabled = !elsewhere && place >= queue.items.length - 1;
  drawQueue();
  drawSelection();
  drawElsewhere();
  drafts?.show(noteKey());
  drawDecide();
  if (shownId === current.id) return;
  shownId = current.id;
  settle();
  viewer.show(current);
  at("facts").replaceChildren(
    ...explained(current),
    h("p", { class: "small" }, h("a", { href: `/results/${current.id}` }, "Open this result")),
  );
  if (queue.next && place > queue.items.length - 5) loadMore();
}

async function refresh() {
  try {
    const [list] = await Promise.all([all.refresh(), queue.refresh()]);
    trouble(null);
    const everywhere = list.cameras.reduce((sum, camera) => sum + camera.unreviewed, 0);
    const one = list.cameras.find((camera) => camera.name === queue.camera);
    waiting = queue.camera ? (one?.unreviewed ?? 0) : everywhere;
    drawCameras(list.cameras);
  } catch (error) {
    trouble(error, refresh);
    return;
  }
  draw();
}

function drawCameras(cameras) {
  const select = at("only");
  const names = cameras.map((camera) => camera.name);
  if (select.options.length === names.length + 1) return;
  select.replaceChildren(
    h("option", { value: "" }, "All cameras"),
    ...names.map((name) => h("option", { value: name }, name)),
  );
  select.value = queue.camera;
}

async function loadMore() {
  try {
    await queue.loadMore();
    draw();
  } catch (error) {
    notify(error.message, { error: true });
  }
}

function step(by) {
  if (queue.step(by)) draw();
}

/** Post a verdict on the selected results, else on the one shown, and show the next. */
async function decide(verdict) {
  if (!decides || !drafts || !canDecide()) return;
  const targets = queue.targets();
  if (targets.length === 0) return;
  busy = true;
  drawDecide();
  const key = noteKey();
  try {
    const { done, conflicts } = await postVerdict(targets, verdict, drafts.of(key));
    if (done.length > 0) drafts.forget(key);
    queue.remove([...done.map(({ id }) => id), ...conflicts.map((conflict) => conflict.result_id)]);
    waiting = Math.max(0, waiting - done.length);
    if (done.length > 0) {
      decided.push(done);
      const what = done.length === 1 ? targets.find(({ id }) => id === done[0].id).camera : plural(done.length, "frame");
      notify(`${verdictName(verdict)}: ${what}`, { action: ["Undo", () => undo(done)] });
    }
    const refused = conflictText(conflicts);
    if (refused) notify(refused, { error: true });
  } catch (error) {
    notify(`The verdict was not stored. ${error.message}`, { error: true });
  } finally {
    busy = false;
    draw();
  }
}

/**
 * Undo one verdict, by default the last, with another review, `unreviewed`, which puts the result back in
 * the queue. What somebody else has said since then stays.
 */
async function undo(given = decided.at(-1)) {
  const index = decided.indexOf(given);
  if (index < 0 || busy) return;
  busy = true;
  try {
    const { done, conflicts } = await postVerdict(given, "unreviewed");
    decided.splice(index, 1);
    await queue.refresh();
    const back = queue.items.find((item) => item.id === done[0]?.id);
    if (back) queue.show(back);
    waiting += done.length;
    if (done.length > 0) notify(done.length === 1 ? "Verdict undone" : `${done.length} verdicts undone`);
    if (conflicts.length > 0) notify(`Not undone: ${conflicts[0].detail}.`, { error: true });
  } catch (error) {
    notify(`The verdict was not undone. ${error.message}`, { error: true });
  } finally {
    busy = false;
    draw();
  }
}

function toggleSelected() {
  if (!decides || !queue.current) return;
  queue.toggle(queue.current.id);
  draw();
}

/** @type {[string, string, string[], () => void][]} what to show, what it does, keys, action */
const KEYS = [
  ["j →", "next frame", ["j", "ArrowRight"], () => step(1)],
  ["k ←", "previous frame", ["k", "ArrowLeft"], () => step(-1)],
  ["b", "side by side or blended", ["b"], () => viewer.toggleMode()],
  ["?", "show this list", ["?"], () => at("keys").showModal()],
];
if (decides) {
  KEYS.splice(
    2,
    0,
    ["c", "confirm the selected frames, or the one shown", ["c"], () => decide("confirmed")],
    ["f", "false alarm", ["f"], () => decide("false_alarm")],
    ["n", "write a note; Esc leaves the field", ["n"], () => at("note").focus()],
    ["x", "select this frame, for one verdict on many", ["x"], toggleSelected],
    ["u", "undo the last verdict", ["u"], () => undo()],
  );
  at("confirm").addEventListener("click", () => decide("confirmed"));
  at("false-alarm").addEventListener("click", () => decide("false_alarm"));
  at("all").addEventListener("change", (/** @type {any} */ event) => {
    queue.selected = new Set(event.target.checked ? queue.items.map((item) => item.id) : []);
    draw();
  });
}
const STEPS = ["j", "k", "ArrowRight", "ArrowLeft"];
bindKeys(Object.fromEntries(KEYS.flatMap(([, , keys, run]) => keys.map((key) => [key, run]))), STEPS);
at("key-list").append(
  ...KEYS.flatMap(([keys, text]) => [
    h("dt", null, ...keys.split(" ").flatMap((key) => [h("kbd", null, key), " "])),
    h("dd", null, text),
  ]),
);
at("help").addEventListener("click", () => at("keys").showModal());
at("undo").addEventListener("click", () => undo());
at("previous").addEventListener("click", () => step(-1));
at("next").addEventListener("click", () => step(1));
at("more").addEventListener("click", loadMore);
at("only").addEventListener("change", (/** @type {any} */ event) => {
  location.assign(`/review${query({ camera: event.target.value })}`);
});

refresh();
onNews(refresh);

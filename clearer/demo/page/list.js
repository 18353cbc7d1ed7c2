// The list of pictures: a row for each, with its name and what became of it.

const WORDS = { waiting: "waiting", working: "restoring …" };

export function makeRow(item, look) {
  const [row, button, name, state] = ["li", "button", "span", "small"].map((tag) => document.createElement(tag));
  name.textContent = item.name;
  button.type = "button";
  button.append(name, state);
  button.addEventListener("click", look);
  row.append(button);
  document.getElementById("pictures").append(row);
  return { row, button, state };
}

export function updateRow({ row: { row, button, state }, state: word, reason, facts }, isShown) {
  const text = reason ?? WORDS[word] ?? (facts.by ? `restored by ${facts.by}` : "restored");
  const wasShown = button.getAttribute("aria-current") === "true";
  if (state.textContent === text && wasShown === isShown) return;
  state.textContent = text;
  state.classList.toggle("bad", word === "failed");
  button.disabled = word === "failed";
  button.setAttribute("aria-current", isShown);
  if (isShown) bringIntoSight(row);
}

// Within the list: the page itself stays where it is.
function bringIntoSight({ parentElement: list, offsetTop: top, offsetHeight: height }) {
  list.scrollTop = Math.min(top, Math.max(list.scrollTop, top + height - list.clientHeight));
}

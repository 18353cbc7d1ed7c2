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
  const text = reason ?? WORDS[word] ?? `restored by ${facts.by}`;
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("bad", word === "failed");
  button.disabled = word === "failed";
  if (isShown === (button.getAttribute("aria-current") === "true")) return;
  button.setAttribute("aria-current", isShown);
  if (isShown) row.scrollIntoView({ block: "nearest" });
}

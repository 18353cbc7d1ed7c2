// Files that are chosen, dropped or pasted.

const $ = (id) => document.getElementById(id);

export function onFiles(take) {
  for (const button of document.querySelectorAll("[data-open]")) {
    button.addEventListener("click", () => $("file").click());
  }
  $("file").addEventListener("change", () => {
    take([...$("file").files]);
    $("file").value = ""; // so that the same file can be chosen again
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("stage").classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("stage").classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("stage").classList.remove("dropping");
    take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => take([...event.clipboardData.files]));
}

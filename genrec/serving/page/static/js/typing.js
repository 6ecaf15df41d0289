// Asking while somebody types: once they pause.

const WAIT_MS = 180;

/** Call a function when a field has been left as it is for a moment. */
export function whileTyping(field, ask) {
  let timer = null;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
}

// Finding a person (an ARIA combobox), starting a new one, forgetting one.

import * as api from "./api.js";
import { byId, make, prepareDialog } from "./dom.js";
import { plural } from "./format.js";
import { showProblem } from "./notices.js";
import { choose, forget } from "./session.js";
import { state, watch } from "./state.js";

const WAIT_MS = 150;
const FACES = 12;
const MOST = 1000; // as many as the gateway lists at once
let options = [];
let active = -1;
let timer = null;
let asked = 0;

export function startPeople() {
  const input = byId("person");
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(open, WAIT_MS);
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", open);
  input.addEventListener("keydown", onKey);
  input.addEventListener("blur", close);
  byId("new-person").addEventListener("click", startNewcomer);
  prepareDialog(byId("newcomer"), () => {
    byId("newcomer").close();
    welcome(byId("newcomer-id").value.trim());
  });
  byId("forget").addEventListener("click", () => {
    byId("forgetting-title").textContent = `Forget ${state.person}?`;
    byId("forgetting").showModal();
  });
  prepareDialog(byId("forgetting"), async () => {
    byId("forgetting").close();
    if (await forget()) showFaces();
  });
  watch(["person"], ({ person }) => {
    input.value = person ?? "";
    byId("welcome").hidden = person !== null;
    byId("story").hidden = person === null;
    document.title = person === null ? "genrec" : `${person} · genrec`;
  });
}

/** Offer some people to begin with. */
export async function showFaces() {
  try {
    const { users } = await api.users("", FACES);
    const faces = users.map((user) =>
      make("button", { type: "button", class: "face", onclick: () => arrive(user.user_id) },
        make("strong", {}, user.user_id), make("span", {}, plural(user.num_events, "event"))));
    const nobody = make("p", {}, "Nobody is known yet: start with a new person.");
    byId("faces").replaceChildren(...(faces.length ? faces : [nobody]));
  } catch (error) {
    showProblem(error, showFaces);
  }
}

/** Start with somebody new; if the name is taken, it is that person's page. */
async function welcome(person) {
  if (!person) return;
  try {
    const { users } = await api.users(person, MOST);
    arrive(person, !users.some((user) => user.user_id === person));
  } catch (error) {
    showProblem(error, () => welcome(person));
  }
}

/** Show a person and put the reader at their name. */
function arrive(person, fresh = false) {
  close();
  choose(person, fresh);
  byId("person-title").focus({ preventScroll: true });
  scrollTo(0, 0);
}

function startNewcomer() {
  const mark = crypto.getRandomValues(new Uint16Array(1))[0].toString(16).padStart(4, "0");
  const name = byId("newcomer-id");
  name.value = `guest-${mark}`;
  byId("newcomer").showModal();
  name.select();
}

async function open() {
  const input = byId("person");
  const query = input.value === state.person ? "" : input.value.trim();
  const turn = ++asked;
  let users;
  try {
    ({ users } = await api.users(query));
  } catch (error) {
    return showProblem(error, open);
  }
  if (turn !== asked || document.activeElement !== input) return;
  options = users;
  active = -1;
  byId("people").replaceChildren(...users.map((user, place) =>
    make("li", { role: "option", id: `person-${place}`, "aria-selected": "false",
      // Before blur closes the list.
      onmousedown: (event) => event.preventDefault(), onclick: () => arrive(user.user_id) },
      make("span", {}, user.user_id), make("span", { class: "count" }, plural(user.num_events, "event")))));
  byId("people").hidden = !users.length;
  byId("people-note").hidden = users.length > 0;
  byId("people-note").textContent = "Nobody by that name. “New person” starts one.";
  input.setAttribute("aria-expanded", String(users.length > 0));
}

function close() {
  asked++;
  clearTimeout(timer);
  options = [];
  byId("people").hidden = true;
  byId("people-note").hidden = true;
  byId("person").setAttribute("aria-expanded", "false");
  byId("person").removeAttribute("aria-activedescendant");
}

function onKey(event) {
  if (event.key === "Escape") {
    close();
    byId("person").value = state.person ?? "";
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!options.length) open();
    else move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    const typed = byId("person").value.trim();
    const found = options[active] ?? options.find((user) => user.user_id === typed) ?? (options.length === 1 ? options[0] : null);
    if (found) arrive(found.user_id);
    else open();
  }
}

function move(step) {
  active = (active + step + options.length) % options.length;
  for (const [place, option] of [...byId("people").children].entries()) {
    option.setAttribute("aria-selected", String(place === active));
    if (place === active) option.scrollIntoView({ block: "nearest" });
  }
  byId("person").setAttribute("aria-activedescendant", `person-${active}`);
}

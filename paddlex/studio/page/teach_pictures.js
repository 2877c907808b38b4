// The first step: pictures of good parts, and of known bad ones.

import { openIntake } from "../intake.js";
import { t } from "../i18n.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { Tiles } from "./parts/tiles.js";
import { attempt, toast } from "./parts/toast.js";
import { openTeachCamera } from "./teach_camera.js";
import { FEWEST, GOOD_START } from "./teach_steps.js";
import { Upload } from "./teach_upload.js";

const ROLES = ["good", "challenge", "aside"];
const PAGE = 500; // pictures that are asked for at once

export async function mount(step) {
  const { call, path, signal } = step;
  let members = await fetchAll(call, path);
  let role = "good";

  const upload = new Upload({ call, path, signal, onAdded: take });
  const tiles = new Tiles({ make: tile, keyOf: ({ digest }) => digest, label: t("pictures.list"), height: 172 });
  const empty = h("div.tiles-empty", icon("image"), h("p.invitation"), h("p.quiet"));
  const hint = h("p.hint", { role: "status" });
  const tabs = h("fieldset.filter", h("legend.unseen", t("pictures.roles")), ROLES.map(tab));
  const inputs = {
    files: h("input", { type: "file", multiple: true, hidden: true }),
    folder: h("input", { type: "file", webkitdirectory: true, hidden: true }),
    photo: h("input", { type: "file", accept: "image/*", capture: "environment", hidden: true }),
  };
  const dropTarget = h("div.drop-target", { "aria-hidden": "true", hidden: true }, h("p", t("pictures.drop")));
  const camera = openTeachCamera(step, (file) => send([file], "camera"));
  step.element.append(
    h(
      "div.buttons.intake-buttons",
      button(t("choose.files"), () => inputs.files.click(), { icon: "image", id: "teach-files" }),
      button(t("choose.folder"), () => inputs.folder.click(), { kind: "only-fine", icon: "folder" }),
      button(t("camera.photo"), () => inputs.photo.click(), { kind: "only-coarse", icon: "camera" }),
      button(t("camera.open"), () => camera.open(), { icon: "camera", id: "teach-camera" }),
      button(t("network.open"), () => camera.openNetwork(), { icon: "network" }),
      Object.values(inputs),
    ),
    camera.element,
    upload.element,
    h("div.heading", tabs, hint),
    tiles.element,
    empty,
    dropTarget,
  );
  openIntake({ ...inputs, dropTarget, signal }, (items) => send(items.map(({ file }) => file)), (count) => toast(t("skipped", { count })));
  step.command(t("pictures.command", { name: step.product.name }));
  render();
  return { unmount: () => camera.close() };

  function tab(name) {
    const input = h("input", { type: "radio", name: "teach-role", value: name, checked: name === role });
    input.addEventListener("change", () => {
      role = name;
      render();
    });
    return h("label", input, h("span", t(`role.${name}`), " ", h("b", { "data-count": name }, "0")));
  }

  async function send(files, source) {
    await upload.add(files, role === "challenge" ? "challenge" : "good", source);
    if (!signal.aborted) await attempt(() => step.changed());
    if (!signal.aborted) render();
  }

  function take(added) {
    const known = new Set(members.map(({ digest }) => digest));
    members.push(...added.filter(({ digest }) => !known.has(digest)));
    if (role === "aside" && added.length) tabs.querySelector("[value=good]").click();
    render();
  }

  async function setRole(member, wanted) {
    await call("PATCH", `${path}/pictures`, { body: { digests: [member.digest], role: wanted } });
    member.role = wanted;
    render();
    await step.changed();
    render();
  }

  function tile(member) {
    const { digest, name, problem } = member;
    const isOut = member.role === "aside";
    const label = t(isOut ? "pictures.back" : "pictures.aside");
    const act = async () => {
      const before = member.role;
      await attempt(() => setRole(member, isOut ? "good" : "aside"));
      if (!isOut && member.role === "aside") {
        toast(t("pictures.asideDone", { name }), { action: { words: t("undo"), run: () => attempt(() => setRole(member, before)) } });
      }
    };
    return [
      h("img", { src: `studio/pictures/${digest}/thumbnail`, alt: "", decoding: "async" }),
      h("button.tile-act", { type: "button", onclick: act, title: label, "aria-label": `${label}: ${name}` }, icon(isOut ? "undo" : "ng")),
      h("span.tile-name", { title: name }, name || t("pictures.unnamed")),
      problem && !isOut ? h("span.tile-flag", icon("error"), t(`problem.${problem}`)) : null,
    ];
  }

  function render() {
    const counts = Object.fromEntries(ROLES.map((name) => [name, members.filter((member) => member.role === name).length]));
    for (const name of ROLES) tabs.querySelector(`[data-count=${name}]`).textContent = counts[name];
    const shown = members.filter((member) => member.role === role);
    if (role !== "aside") shown.sort((a, b) => Boolean(b.problem) - Boolean(a.problem)); // stable: what is flagged comes first
    tiles.element.hidden = shown.length === 0;
    empty.hidden = shown.length > 0;
    if (shown.length) tiles.show(shown);
    fill(empty.children[1], t(`pictures.empty.${role}`));
    fill(empty.children[2], role === "aside" ? "" : t(`pictures.empty.${role}.about`));
    const flagged = shown.filter(({ problem }) => problem && role !== "aside").length;
    hint.textContent = hintWords(counts, flagged);
    step.main({ words: t("teach.next"), icon: "right", isEnabled: counts.good >= FEWEST && !upload.isBusy, run: () => step.go("check") });
  }

  function hintWords({ good }, flagged) {
    if (flagged) return t("pictures.flagged", { count: flagged });
    if (role === "good" && good < FEWEST) return t("pictures.fewest", { count: FEWEST - good });
    if (role === "good" && good < GOOD_START) return t("pictures.few", { count: GOOD_START });
    return "";
  }
}

async function fetchAll(call, path) {
  const found = [];
  for (let after = 0; after !== null; ) {
    const { pictures, next } = await call("GET", `${path}/pictures`, { query: { after, limit: PAGE } });
    found.push(...pictures);
    after = next;
  }
  return found;
}

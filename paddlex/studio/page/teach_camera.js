// The camera while teaching: a live picture that says when it is blurred, too dark, or shows what is there already; and cameras of
// the network, by their address.

import { identity } from "../api.js";
import { t } from "../i18n.js";
import { button, field, fill, h, icon } from "./parts/dom.js";
import { toast } from "./parts/toast.js";

const PAUSE = 250; // ms at least between two looks
const STEADY = 2; // looks in a row with nothing wrong, before a picture is taken by itself
const HINTS = [["isBlurred", "blurred"], ["isDark", "dark"], ["isBright", "bright"], ["isDuplicate", "duplicate"]];

/** {element, open, openNetwork, close}; `onPicture(file)` is given what is taken. */
export function openTeachCamera(step, onPicture) {
  let stream = null;
  let taken = 0;
  let run = 0; // a run ends when another one begins
  let isTaking = false;

  const video = h("video", { "aria-label": t("camera.video"), playsinline: true });
  video.muted = true;
  const hint = h("p.live-hint", { role: "status", "data-hint": "" });
  const automatic = h("button", { type: "button", "aria-pressed": "false", onclick: toggleAutomatic }, t("camera.automatic"));
  const shutter = button(t("camera.take"), () => takePicture(), { kind: "primary", icon: "camera", id: "teach-take" });
  const choice = h("select", { "aria-label": t("camera.choice"), hidden: true, onchange: () => open(choice.value) });
  const live = h(
    "div.teach-camera",
    { hidden: true },
    h("div.teach-live", video, hint),
    h("div.buttons", shutter, automatic, choice, button(t("camera.close"), close)),
  );
  const address = h("input", { type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false", placeholder: "rtsp://192.168.0.20/stream1" });
  const wrong = h("p.wrong", { role: "alert", hidden: true });
  const grabbed = h("img.grabbed", { alt: t("network.picture"), hidden: true });
  const network = h(
    "form.teach-network",
    { hidden: true, onsubmit: grab },
    field(t("network.address"), address, t("network.about")),
    wrong,
    grabbed,
    h("div.buttons", h("button.primary", { type: "submit" }, icon("camera"), h("span", t("camera.take"))), button(t("network.close"), () => (network.hidden = true))),
  );
  return { element: h("div.cameras", live, network), open, openNetwork, close };

  async function open(deviceId) {
    network.hidden = true;
    if (!navigator.mediaDevices?.getUserMedia) return toast(t("camera.insecure"), { isError: true });
    stop();
    const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, width: { ideal: 1920 }, height: { ideal: 1080 } }, audio: false });
    } catch (error) {
      close();
      return toast(problem(error), { isError: true });
    }
    if (step.signal.aborted) return close();
    stream.getVideoTracks()[0].addEventListener("ended", close); // unplugged
    video.srcObject = stream;
    live.hidden = false;
    live.scrollIntoView({ block: "nearest" });
    await video.play().catch(() => {});
    await listCameras();
    shutter.focus();
    return watch();
  }

  function stop() {
    run += 1;
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
  }

  function close() {
    stop();
    automatic.setAttribute("aria-pressed", "false");
    live.hidden = true;
  }

  function isAutomatic() {
    return automatic.getAttribute("aria-pressed") === "true";
  }

  function toggleAutomatic() {
    automatic.setAttribute("aria-pressed", String(!isAutomatic()));
  }

  async function frame() {
    if (!stream || video.videoWidth === 0) return null;
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
  }

  /** Look at the live picture again and again, say what is wrong with it, and take it by itself where that is wanted. */
  async function watch() {
    const now = ++run;
    let steady = 0;
    while (run === now && !step.signal.aborted) {
      const pause = new Promise((resolve) => setTimeout(resolve, PAUSE));
      const blob = await frame();
      if (blob && run === now) {
        const wrongWith = await look(blob);
        if (run !== now) return;
        show(wrongWith);
        steady = wrongWith === "" ? steady + 1 : 0;
        if (isAutomatic() && steady >= STEADY) {
          steady = 0;
          await takePicture(blob);
        }
      }
      await pause;
    }
  }

  /** What is wrong: "" for nothing, null where nobody knows. */
  async function look(blob) {
    const form = new FormData();
    form.append("file", blob, "frame.jpg");
    try {
      const answer = await step.call("POST", `${step.path}/frame`, { form });
      return HINTS.find(([key]) => answer[key])?.[1] ?? "";
    } catch {
      return null; // busy: the next frame is soon there
    }
  }

  function show(kind) {
    if (kind === null || hint.dataset.hint === (kind || "fine")) return;
    hint.dataset.hint = kind || "fine";
    fill(hint, icon(kind ? "error" : "ok"), t(`hint.${kind || "fine"}`));
  }

  async function takePicture(blob = null) {
    if (isTaking) return;
    isTaking = true;
    try {
      const picture = blob ?? (await frame());
      if (picture) await onPicture(new File([picture], `camera-${stamp()}-${++taken}.jpg`, { type: "image/jpeg" }));
    } finally {
      isTaking = false;
    }
  }

  async function listCameras() {
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    const current = stream?.getVideoTracks()[0].getSettings().deviceId;
    const options = cameras.map(({ deviceId, label }, i) => new Option(label || t("camera.unnamed", { number: i + 1 }), deviceId, false, deviceId === current));
    choice.replaceChildren(...options);
    choice.hidden = cameras.length < 2;
  }

  function openNetwork() {
    close();
    network.hidden = false;
    address.focus();
  }

  async function grab(event) {
    event.preventDefault();
    wrong.hidden = true;
    const submit = network.querySelector("[type=submit]");
    submit.disabled = true;
    try {
      const blob = await fetchFrame(address.value.trim(), step.signal);
      URL.revokeObjectURL(grabbed.src);
      grabbed.src = URL.createObjectURL(blob);
      grabbed.hidden = false;
      await onPicture(new File([blob], `camera-${stamp()}-${++taken}.jpg`, { type: "image/jpeg" }));
    } catch (error) {
      if (error.name === "AbortError") return;
      wrong.textContent = error.message || t("error.network");
      wrong.hidden = false;
    } finally {
      submit.disabled = false;
    }
  }
}

const stamp = () => new Date().toLocaleString("sv").replace(/[^\d]/g, ""); // 20261126140509

/** One frame of a camera of the network, through the studio. */
async function fetchFrame(url, signal) {
  for (;;) {
    const headers = { "Content-Type": "application/json", ...identity.headers() };
    const response = await fetch("studio/grab", { method: "POST", headers, body: JSON.stringify({ url }), signal });
    if (response.ok) return response.blob();
    if (response.status !== 401) throw new Error((await response.json().catch(() => null))?.errorMsg ?? response.statusText);
    await identity.ask();
  }
}

function problem({ name, message }) {
  if (name === "NotAllowedError" || name === "SecurityError") return t("camera.refused");
  if (name === "NotFoundError" || name === "OverconstrainedError") return t("camera.missing");
  return t("camera.failed", { reason: message });
}

// The camera: one snapshot at a time, or one after the other as fast as they are judged.

import { Item } from "./state.js";
import { t } from "./i18n.js";

const PAUSE = 400; // milliseconds at least between two frames of the continuous mode
const $ = (id) => document.getElementById(id);

export class Camera {
  #stream = null;
  #isContinuous = false;
  #run = 0;
  #taken = 0;
  #judge;
  #onChange;
  #onProblem;

  /**
   * @param judge takes an item, resolves when it has its verdict
   * @param onChange called when the camera opens or closes
   * @param onProblem called with a sentence
   */
  constructor(judge, onChange, onProblem) {
    this.#judge = judge;
    this.#onChange = onChange;
    this.#onProblem = onProblem;
    $("open-camera").addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    $("camera-close").addEventListener("click", () => this.close());
    $("snapshot").addEventListener("click", () => this.snapshot());
    $("continuous").addEventListener("click", () => this.#setContinuous(!this.#isContinuous));
    $("camera-choice").addEventListener("change", () => this.open($("camera-choice").value));
  }

  get isOpen() {
    return this.#stream !== null;
  }

  async open(deviceId) {
    if (!navigator.mediaDevices?.getUserMedia) {
      this.#onProblem(t("camera.insecure"));
      return;
    }
    this.#setContinuous(false);
    this.#stop();
    const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
    try {
      const video = { ...wanted, width: { ideal: 1920 }, height: { ideal: 1080 } };
      this.#stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      this.close();
      this.#onProblem(problem(error));
      return;
    }
    this.#stream.getVideoTracks()[0].addEventListener("ended", () => this.close()); // unplugged
    $("video").srcObject = this.#stream;
    $("camera").hidden = $("camera-tools").hidden = false;
    $("light-table").classList.add("with-camera");
    this.#onChange();
    await $("video").play().catch(() => {});
    await this.#listCameras();
    $("snapshot").focus();
  }

  close() {
    const wasOpen = !$("camera").hidden;
    this.#stop();
    this.#setContinuous(false);
    $("camera").hidden = $("camera-tools").hidden = true;
    $("light-table").classList.remove("with-camera");
    this.#onChange();
    if (wasOpen) $("open-camera").focus();
  }

  /** Judge what the camera sees now. */
  async snapshot() {
    const video = $("video");
    if (!this.isOpen || video.videoWidth === 0) return;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
    const time = new Date().toLocaleTimeString("sv"); // 14:05:09
    const file = new File([blob], `camera-${++this.#taken}.jpg`, { type: "image/jpeg" });
    await this.#judge(new Item(file, t("camera.name", { time, number: this.#taken }), "camera"));
  }

  #stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    $("video").srcObject = null;
  }

  async #setContinuous(isOn) {
    this.#isContinuous = isOn;
    const run = ++this.#run; // a run ends when another one begins, too
    $("continuous").setAttribute("aria-pressed", isOn);
    $("snapshot").disabled = isOn;
    while (this.#isContinuous && this.isOpen && run === this.#run) {
      const pause = new Promise((resolve) => setTimeout(resolve, PAUSE));
      await this.snapshot();
      await pause;
    }
  }

  async #listCameras() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter((device) => device.kind === "videoinput");
    const current = this.#stream?.getVideoTracks()[0].getSettings().deviceId;
    const options = cameras.map(({ deviceId, label }, i) => {
      return new Option(label || t("camera.unnamed", { number: i + 1 }), deviceId, false, deviceId === current);
    });
    $("camera-choice").replaceChildren(...options);
    $("camera-choice").hidden = cameras.length < 2;
  }
}

function problem({ name, message }) {
  if (name === "NotAllowedError" || name === "SecurityError") return t("camera.refused");
  if (name === "NotFoundError" || name === "OverconstrainedError") return t("camera.missing");
  return t("camera.failed", { reason: message });
}

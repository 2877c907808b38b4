// Images come in: dropped, pasted, chosen, or photographed. A folder is walked through to its last file.

import { Item } from "./state.js";

// The same as IMAGE_SUFFIXES in paddlex/inference/walk.py.
const SUFFIXES = [".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"];

const ACCEPT = ["image/*", ...SUFFIXES].join(",");

const isImage = (file) => SUFFIXES.some((suffix) => file.name.toLowerCase().endsWith(suffix));
const isHidden = (path) => path.split("/").some((part) => part.startsWith("."));
const byName = new Intl.Collator(undefined, { numeric: true });

/**
 * Take in what is dropped anywhere on the page, pasted, or chosen through the inputs.
 *
 * @param isOpen says whether what is dropped and pasted is meant for this taker, of several on one page
 * @param signal of an AbortController that ends it
 * @param onImages called with items, as they are found
 * @param onSkipped called with how many files of a folder were left out because they are no images
 */
export function openIntake({ files, folder, photo, dropTarget, isOpen = () => true, signal }, onImages, onSkipped) {
  const take = (found) => {
    if (found.length) onImages(found.map(({ file, name }) => new Item(file, name)));
  };
  /** Out of a folder, only what is named like an image (of what is chosen by hand, everything); returns how many are not. */
  const takeFolder = (found) => {
    const visible = found.filter(({ name }) => !isHidden(name)).sort((a, b) => byName.compare(a.name, b.name));
    const images = visible.filter(({ file }) => isImage(file));
    take(images);
    return visible.length - images.length;
  };
  const tellOf = (skipped) => skipped && onSkipped(skipped);

  files.accept = ACCEPT;
  for (const [input, isFolder] of [[files, false], [folder, true], [photo, false]]) {
    input.addEventListener("change", () => {
      const chosen = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
      input.value = ""; // choosing the same file again is a change again
      if (isFolder) tellOf(takeFolder(chosen));
      else take(chosen);
    });
  }

  const listen = (kind, listener) => document.addEventListener(kind, listener, { signal });
  listen("paste", (event) => {
    if (!isOpen()) return;
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (pasted.length === 0) return;
    event.preventDefault();
    take(pasted.map((file) => ({ file, name: file.name })));
  });

  let depth = 0; // dragenter and dragleave also come from every element below the pointer
  const hasFiles = (event) => isOpen() && event.dataTransfer?.types.includes("Files");
  const show = (isShown) => {
    dropTarget.hidden = !isShown;
    if (!isShown) depth = 0;
  };
  listen("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    show(true);
  });
  listen("dragleave", (event) => {
    if (hasFiles(event) && --depth <= 0) show(false);
  });
  listen("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  listen("drop", async (event) => {
    show(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    // Entries and files must be fetched before the first await: the list is emptied when the event is over.
    const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const sources = dropped.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
    const single = sources.filter(({ entry, file }) => file && !entry?.isDirectory);
    take(single.map(({ file }) => ({ file, name: file.name })));
    let skipped = 0;
    for (const { entry } of sources) {
      if (entry?.isDirectory) await walk(entry, (found) => (skipped += takeFolder(found)));
    }
    tellOf(skipped);
  });
}

/** Pass on the files below a directory, directory by directory, each with its path as its name. */
async function walk(directory, onFiles) {
  const entries = await readAll(directory.createReader());
  entries.sort((a, b) => byName.compare(a.name, b.name));
  const found = [];
  for (const entry of entries.filter((entry) => entry.isFile)) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) found.push({ file, name: entry.fullPath.replace(/^\//, "") });
  }
  onFiles(found);
  for (const entry of entries) {
    if (entry.isDirectory && !entry.name.startsWith(".")) await walk(entry, onFiles);
  }
}

/** All entries of a directory: the reader gives them by the hundred. */
async function readAll(reader) {
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (some.length === 0) return entries;
    entries.push(...some);
  }
}

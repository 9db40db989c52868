// What stands in the memory of a process.
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { tree } from "./process.mjs";

const PAGE = 4096;
const PIECE = 8 << 20;

/** The processes of an app's web view: the page's own, and the one that loads for it. */
export const webProcesses = (root) => tree(root).filter(({ name }) => name === "WebKitWebProces" || name === "WebKitNetworkPr");

/** What a mapping of memory has in pages that are there, as [from, to]: what is only reserved can be a terabyte. */
function* present(pagemap, from, to) {
  const entries = Buffer.alloc(8 * 65_536);
  let begin = null;
  for (let at = from; at < to;) {
    const read = readSync(pagemap, entries, 0, Math.min(entries.length, ((to - at) / PAGE) * 8), (at / PAGE) * 8);
    if (read === 0) break;
    for (let entry = 0; entry < read; entry += 8, at += PAGE) {
      // Bit 63: in memory; bit 62: swapped out.
      if ((entries[entry + 7] & 0xc0) !== 0) begin ??= at;
      else if (begin !== null) {
        yield [begin, at];
        begin = null;
      }
    }
  }
  if (begin !== null) yield [begin, to];
}

/** Mappings that can be read and have something in them. */
function mappings(pid) {
  const found = [];
  let here = null;
  for (const line of readFileSync(`/proc/${pid}/smaps`, "latin1").split("\n")) {
    const head = line.match(/^([0-9a-f]+)-([0-9a-f]+) (\S+) /);
    if (head) here = { from: parseInt(head[1], 16), to: parseInt(head[2], 16), may: head[3], has: 0 };
    const size = line.match(/^(?:Rss|Swap):\s+(\d+) kB/);
    if (size && here) {
      if (here.has === 0 && Number(size[1]) > 0 && here.may.startsWith("r")) found.push(here);
      here.has += Number(size[1]);
    }
  }
  return found;
}

/** The ways in which a text stands in memory: C and 8-bit strings, and 16-bit ones. */
const forms = (word) => [Buffer.from(word, "utf8"), Buffer.from(word, "utf16le")];

/**
 * How often each word stands in a process's memory, as UTF-8 or as UTF-16, and how many bytes were read.
 * Throws, by its reason, where the memory may not be read.
 */
export function inMemory(pid, words) {
  const counts = Object.fromEntries(words.map((word) => [word, 0]));
  const wanted = words.flatMap((word) => forms(word).map((form) => ({ word, form })));
  const overlap = Math.max(...wanted.map(({ form }) => form.length)) - 1;
  let bytes = 0;
  let memory;
  let pagemap;
  try {
    [memory, pagemap] = [openSync(`/proc/${pid}/mem`, "r"), openSync(`/proc/${pid}/pagemap`, "r")];
    const piece = Buffer.alloc(PIECE + overlap);
    for (const { from, to } of mappings(pid)) {
      let [end, kept] = [-1, 0];
      for (const [begin, stop] of present(pagemap, from, to)) {
        if (begin !== end) kept = 0;
        for (let at = begin; at < stop;) {
          const read = readPiece(memory, piece, kept, Math.min(PIECE, stop - at), at);
          if (read === 0) break;
          bytes += read;
          at += read;
          count(piece.subarray(0, kept + read), kept, wanted, counts);
          const tail = Math.min(overlap, kept + read);
          piece.copy(piece, 0, kept + read - tail, kept + read);
          kept = tail;
        }
        end = stop;
      }
    }
  } catch (error) {
    throw new Error(`the memory of process ${pid} cannot be read (${error.code ?? error.message}): the tests need to be root, or \
of the same user with kernel.yama.ptrace_scope=0`);
  } finally {
    for (const open of [memory, pagemap]) if (open !== undefined) closeSync(open);
  }
  return { counts, bytes };
}

/** What the process gave back meanwhile, or what a device maps, has nothing to read. */
function readPiece(memory, piece, offset, length, at) {
  try {
    return readSync(memory, piece, offset, length, at);
  } catch (error) {
    if (error.code === "EIO" || error.code === "EFAULT") return 0;
    throw error;
  }
}

function count(bytes, fresh, wanted, counts) {
  for (const { word, form } of wanted) {
    // What ends before the fresh part was counted with the piece before.
    for (let at = bytes.indexOf(form, Math.max(0, fresh - form.length + 1)); at !== -1; at = bytes.indexOf(form, at + 1)) counts[word] += 1;
  }
}

// What is written on pictures of the screen, as a machine reads it.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";

/** Letters of the screen are small, and some are grey; what reads them wants them as on paper. */
const AS_ON_PAPER = ["-colorspace", "Gray", "-level", "45%,95%"];
const LARGER = ["-resize", "250%"];
/** A pattern keeps the reader from what stands around it: it gets strips, of which each line is whole in one. */
const [STRIP, STEP] = [220, 160];
/** As one column of lines, and as words anywhere: one finds what the other does not. */
const MANNERS = ["6", "11"];

async function output(name, args, input) {
  // Each picture has a thread of its own: several are read at once.
  const child = spawn(name, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, OMP_THREAD_LIMIT: "1" } });
  const [said, why] = [[], []];
  child.stdout.on("data", (data) => said.push(data));
  child.stderr.on("data", (data) => why.push(data));
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${Buffer.concat(why)}`);
  return Buffer.concat(said);
}

/** The text on a picture. */
export async function textOn(file) {
  const { height } = JSON.parse(String(await output("identify", ["-format", '{"height": %h}', file])));
  const strips = [];
  for (let at = 0; at < height; at += STEP) strips.push("(", "-clone", "0", "-crop", `x${STRIP}+0+${at}`, "+repage", ")");
  const large = await output("convert", [file, ...AS_ON_PAPER, ...strips, "-delete", "0", ...LARGER, "tiff:-"]);
  const texts = [];
  for (const manner of MANNERS) texts.push(await output("tesseract", ["-", "-", "-l", "eng", "--psm", manner, "--dpi", "240"], large));
  return texts.map(String).join("\n");
}

/** Letters that a reader of pictures takes for one another become one. */
function folded(text) {
  const plain = text.normalize("NFKD").toLowerCase().replace(/rn/g, "m").replace(/vv/g, "w").replace(/cl/g, "d");
  return plain.replace(/[|!1ljt]/g, "i").replace(/[0q]/g, "o").replace(/5/g, "s").replace(/8/g, "b").replace(/[^a-z2-9]/g, "");
}

/** How many letters of a word are read wrongly in the place of a text where it is read best. */
function mistakes(text, word) {
  let row = new Array(word.length + 1).fill(0).map((_, at) => at);
  let best = word.length;
  for (const letter of text) {
    const next = [0];
    for (let at = 1; at <= word.length; at += 1) {
      next[at] = Math.min(row[at - 1] + (word[at - 1] === letter ? 0 : 1), row[at] + 1, next[at - 1] + 1);
    }
    best = Math.min(best, next[word.length]);
    row = next;
  }
  return best;
}

/** Whether a word stands on a picture with this text; one letter of four may be read wrongly. */
export function isOn(text, word) {
  const wanted = folded(word);
  return mistakes(folded(text), wanted) <= Math.floor(wanted.length / 4);
}

/** A word that nobody has ever written, of letters that are read well off a picture. */
export function newWord() {
  const [first, second] = ["bdfkmnprsz", "aeou"];
  const one = (letters) => letters[randomInt(letters.length)];
  return Array.from({ length: 8 }, () => one(first) + one(second)).join("");
}

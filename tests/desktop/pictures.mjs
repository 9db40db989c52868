// What is written on pictures of the screen, as a machine reads it.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";

/** Letters of the screen are small; what reads them wants them as on paper. */
const LARGER = "250%";

async function output(name, args, input) {
  // Each picture has a thread of its own: several are read at once.
  const child = spawn(name, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, OMP_THREAD_LIMIT: "1" } });
  const [said, why] = [[], []];
  child.stdout.on("data", (data) => said.push(data));
  child.stderr.on("data", (data) => why.push(data));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${Buffer.concat(why)}`);
  return Buffer.concat(said);
}

/** The text on a picture. */
export async function textOn(file) {
  const large = await output("convert", [file, "-colorspace", "Gray", "-resize", LARGER, "-sharpen", "0x1", "png:-"]);
  return String(await output("tesseract", ["-", "-", "-l", "eng", "--psm", "11", "--dpi", "240"], large));
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

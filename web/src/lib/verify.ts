// Checks a receipt offline, as docs/VERIFYING.md says: RFC 8785, RFC 9162, C2SP signed notes.
import { verifyAsync } from "@noble/ed25519";
import canonicalize from "canonicalize";

export type Failure = "form" | "content" | "promise" | "inclusion" | "unsigned" | "key";

export class Broken extends Error {
  constructor(readonly why: Failure) {
    super(why);
  }
}

export interface Shown {
  entry: Record<string, unknown>;
  content: boolean;
  /** Size of the tree that holds the entry; null while there is the promise alone. */
  size: number | null;
}

type Bytes = Uint8Array<ArrayBuffer>;
interface Key {
  name: string;
  id: Bytes;
  key: Bytes;
}

const utf8 = (text: string): Bytes => new TextEncoder().encode(text) as Bytes;

function base64(text: string): Bytes {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) as Bytes;
  } catch {
    throw new Broken("form");
  }
}

function joined(...parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const sha256 = async (...parts: Bytes[]): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));

const same = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
const hex = (bytes: Bytes): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const toBase64 = (bytes: Bytes): string => btoa(String.fromCharCode(...bytes));

const canonical = (value: unknown): Bytes => utf8(canonicalize(value) ?? "");

/** Reads `name+id+key`. */
export async function readKey(text: string): Promise<Key> {
  const parts = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(text.trim());
  if (!parts) throw new Broken("key");
  const [, name = "", id = "", encoded = ""] = parts;
  const key = base64(encoded);
  const digest = await sha256(utf8(name), Uint8Array.of(10), key);
  if (key.length !== 33 || key[0] !== 1 || hex(digest.slice(0, 4)) !== id) throw new Broken("key");
  return { name, id: digest.slice(0, 4), key: key.slice(1) };
}

/** The text of a note that the key signed. */
async function open(note: string, { name, id, key }: Key): Promise<string> {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n")) throw new Broken("form");
  const text = note.slice(0, at + 1);
  for (const line of note.slice(at + 2, -1).split("\n")) {
    const parts = /^\u2014 (\S+) (\S+)$/.exec(line);
    if (!parts) throw new Broken("form");
    const bytes = base64(parts[2] ?? "");
    if (parts[1] !== name || !same(bytes.slice(0, 4), id)) continue;
    if (await verifyAsync(bytes.slice(4), utf8(text), key).catch(() => false)) return text;
    throw new Broken("unsigned");
  }
  throw new Broken("unsigned");
}

/** RFC 9162 §2.1.3.2. */
async function includes(leaf: Bytes, index: number, size: number, proof: Bytes[], root: Bytes): Promise<boolean> {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) return false;
  let [node, first, last] = [leaf, BigInt(index), BigInt(size) - 1n];
  for (const sibling of proof) {
    if (last === 0n) return false;
    if (first & 1n || first === last) {
      node = await sha256(Uint8Array.of(1), sibling, node);
      while (!(first & 1n) && first !== 0n) [first, last] = [first >> 1n, last >> 1n];
    } else {
      node = await sha256(Uint8Array.of(1), node, sibling);
    }
    [first, last] = [first >> 1n, last >> 1n];
  }
  return last === 0n && same(node, root);
}

/** Checks all that a receipt claims. */
export async function verify(text: string, keyText: string): Promise<Shown> {
  const key = await readKey(keyText);
  let receipt;
  try {
    receipt = JSON.parse(text);
  } catch {
    throw new Broken("form");
  }
  if (receipt?.receipt !== "baqylau-receipt/1" || !receipt.entry || typeof receipt.promise !== "string") {
    throw new Broken("form");
  }
  const commitment = await sha256(base64(receipt.salt), canonical(receipt.entry));
  if (receipt.content !== undefined) {
    if (receipt.entry.content_sha256 !== hex(await sha256(canonical(receipt.content)))) throw new Broken("content");
  }
  if ((await open(receipt.promise, key)) !== `${key.name} receipt\n${toBase64(commitment)}\n`) throw new Broken("promise");
  let size: number | null = null;
  if (receipt.inclusion) {
    const [origin, stated = "", root = ""] = (await open(receipt.inclusion.checkpoint, key)).split("\n");
    size = Number(stated);
    if (origin !== key.name || String(size) !== stated) throw new Broken("form");
    const leaf = await sha256(Uint8Array.of(0), commitment);
    const proof = (receipt.inclusion.proof as string[]).map(base64);
    if (!(await includes(leaf, receipt.inclusion.index, size, proof, base64(root)))) throw new Broken("inclusion");
  }
  return { entry: receipt.entry, content: receipt.content !== undefined, size };
}

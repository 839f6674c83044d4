// Records on their way: written with no network, kept sealed, sent by themselves when the network is back.
import * as tus from "tus-js-client";
import { ask, get, Offline, Problem, type Election, type Fault } from "../lib/api";
import type { Names } from "../lib/i18n.svelte";
import { Session, SignedOut, type Credentials } from "../lib/session";
import { PIECE, Vault } from "../lib/vault";

export type Kind = "violation" | "protocol" | "detention";
export type State = "waiting" | "sent" | "refused";

export interface Attached {
  id: string;
  name: string;
  size: number;
  /** Where the upload goes on. */
  url?: string;
  /** Bytes that the server has. */
  sent: number;
  done: boolean;
  failed?: string;
}

export interface Item {
  id: string;
  kind: Kind;
  body: Record<string, unknown>;
  state: State;
  savedAt: number;
  sentAt?: number;
  receipt?: unknown;
  problem?: { title: string; faults: Fault[] };
  files: Attached[];
}

export interface Place {
  id: string;
  names: Names;
  region: string;
}

export interface Lists {
  elections: Election[];
  cities: Place[];
  /** The coalition's keys (`age1…`): names are sealed to them before they leave the phone. */
  keys: string[];
}

const PATHS: Record<Kind, string> = { violation: "violations", protocol: "protocols", detention: "detentions" };
const SOONEST = 3_000;
const LATEST = 60_000;
/** Lists are asked for anew after so long. */
const FRESH = 10 * 60_000;
const plain = <T>(value: T): T => $state.snapshot(value) as T;

/** A UUID of version 7 (RFC 9562), so that sending again stores nothing twice. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let time = Date.now();
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export class Outbox {
  items = $state<Item[]>([]);
  lists = $state.raw<Lists>({ elections: [], cities: [], keys: [] });
  online = $state(true);
  signedOut = $state(false);
  private listed = 0;
  private sending = false;
  private again = false;
  private wait = SOONEST;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  private constructor(
    private readonly vault: Vault,
    private session: Session | undefined,
  ) {}

  /** Signs in once, over the network, and chooses the PIN. */
  static async begin(credentials: Credentials, pin: string): Promise<Outbox> {
    let refresh = "";
    const early = await Session.signIn(credentials, async (token) => void (refresh = token));
    await early.token();
    const vault = await Vault.create(pin);
    await vault.put("settings", "refresh", refresh);
    const outbox = await Outbox.of(vault);
    // From here on the network may go: the forms have what they need.
    await outbox.refreshLists().catch(() => undefined);
    return outbox;
  }

  /** Opens what is on this phone; needs no network. */
  static async unlock(pin: string): Promise<Outbox> {
    return Outbox.of(await Vault.unlock(pin));
  }

  private static async of(vault: Vault): Promise<Outbox> {
    const refresh = await vault.get<string>("settings", "refresh");
    const session = refresh ? new Session(refresh, (token) => vault.put("settings", "refresh", token)) : undefined;
    const outbox = new Outbox(vault, session);
    outbox.signedOut = !session;
    outbox.items = (await vault.all<Item>("items")).sort((a, b) => b.savedAt - a.savedAt);
    outbox.lists = (await vault.get<Lists>("settings", "lists")) ?? outbox.lists;
    window.addEventListener("online", outbox.flush);
    void outbox.flush();
    return outbox;
  }

  /** Signs in anew, where the session has ended. */
  async signInAgain(credentials: Credentials): Promise<void> {
    this.session = await Session.signIn(credentials, (token) => this.vault.put("settings", "refresh", token));
    this.signedOut = false;
    void this.flush();
  }

  lock(): void {
    this.closed = true;
    clearTimeout(this.timer);
    window.removeEventListener("online", this.flush);
    this.vault.close();
  }

  draft(kind: Kind): Promise<Record<string, unknown> | undefined> {
    return this.vault.get("settings", `draft-${kind}`);
  }

  async saveDraft(kind: Kind, body: Record<string, unknown>): Promise<void> {
    await this.vault.put("settings", `draft-${kind}`, body);
  }

  /** Keeps a record and its files; from here on it sends itself. */
  async add(kind: Kind, body: Record<string, unknown>, files: File[]): Promise<void> {
    const attached: Attached[] = [];
    for (const file of files) {
      const id = newId();
      await this.vault.putFile(id, file);
      attached.push({ id, name: file.name, size: file.size, sent: 0, done: false });
    }
    const id = newId();
    const item: Item = { id, kind, body: { ...body, id }, state: "waiting", savedAt: Date.now(), files: attached };
    await this.vault.put("items", id, item);
    await this.vault.remove("settings", `draft-${kind}`);
    this.items.unshift(item);
    void this.flush();
  }

  async discard(item: Item): Promise<void> {
    for (const file of item.files) await this.vault.removeFile(file.id);
    await this.vault.remove("items", item.id);
    this.items = this.items.filter((it) => it.id !== item.id);
  }

  private keep(item: Item): Promise<void> {
    return this.vault.put("items", item.id, plain(item));
  }

  /** Sends whatever waits, now and again until all is sent. */
  readonly flush = async (): Promise<void> => {
    if (this.sending) {
      this.again = true;
      return;
    }
    if (this.closed || this.signedOut || !this.session) return;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      await this.refreshLists();
      for (const item of this.items.filter((it) => it.state === "waiting").toReversed()) await this.send(item);
      for (const item of this.items.filter((it) => it.state === "sent")) await this.upload(item);
      this.online = true;
      this.wait = SOONEST;
    } catch (error) {
      if (error instanceof SignedOut) {
        this.signedOut = true;
      } else {
        this.online = !(error instanceof Offline);
        this.wait = Math.min(this.wait * 2, LATEST);
      }
    } finally {
      this.sending = false;
      const left = this.items.some((it) => it.state === "waiting" || it.files.some((file) => it.state === "sent" && !file.done && !file.failed));
      if (this.again) {
        this.again = false;
        void this.flush();
      } else if (left && !this.closed) {
        this.timer = setTimeout(() => void this.flush(), this.wait);
      }
    }
  };

  private async refreshLists(): Promise<void> {
    if (this.lists.elections.length && Date.now() - this.listed < FRESH) return;
    const token = await this.session!.token();
    const [elections, cities, keys] = await Promise.all([
      get<Election[]>("/elections"),
      get<Place[]>("/cities"),
      get<{ public_key: string }[]>("/recipients", token),
    ]);
    this.listed = Date.now();
    elections.sort((a, b) => b.date.localeCompare(a.date));
    this.lists = { elections, cities, keys: keys.map((key) => key.public_key) };
    await this.vault.put("settings", "lists", this.lists);
  }

  private async send(item: Item): Promise<void> {
    try {
      await this.submit(item);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) {
        this.session?.forget();
        await this.submit(item);
        return;
      }
      // Too much for now: later. All else will not get better by itself.
      if (error.status === 429 || error.status >= 500) throw new Offline();
      item.state = "refused";
      item.problem = { title: error.message, faults: error.faults };
      await this.keep(item);
    }
  }

  private async submit(item: Item): Promise<void> {
    const token = await this.session!.token();
    const answer = await ask(`/${PATHS[item.kind]}`, { method: "POST", body: plain(item.body), token });
    const record = (await answer.json()) as { receipt?: unknown };
    item.state = "sent";
    item.sentAt = Date.now();
    item.receipt = record.receipt;
    delete item.problem;
    await this.keep(item);
  }

  /** The receipt with its proof, where the ledger has got that far. */
  async proof(item: Item): Promise<void> {
    const token = await this.session!.token();
    item.receipt = await get(`/${PATHS[item.kind]}/${item.id}/receipt`, token);
    await this.keep(item);
  }

  private async upload(item: Item): Promise<void> {
    for (const file of item.files.filter((it) => !it.done && !it.failed)) {
      await this.uploadOne(item, file);
      await this.keep(item);
      if (file.done) await this.vault.removeFile(file.id);
    }
  }

  private async uploadOne(item: Item, file: Attached): Promise<void> {
    const session = this.session!;
    await session.token();
    const vault = this.vault;
    await new Promise<void>((resolve, reject) => {
      const upload = new tus.Upload(file as never, {
        endpoint: "/api/v1/evidence/uploads",
        ...(file.url ? { uploadUrl: file.url } : {}),
        uploadSize: file.size,
        chunkSize: PIECE,
        metadata: { record: item.id, filename: file.name },
        retryDelays: [0, 1000, 3000],
        // The browser's own memory of uploads would lie there in the open.
        storeFingerprintForResuming: false,
        fileReader: {
          openFile: async () => ({
            size: file.size,
            slice: async (start, end) => {
              const stop = Math.min(end, file.size);
              return { value: await vault.readFile(file.id, start, stop), done: stop >= file.size };
            },
            close: () => undefined,
          }),
        },
        onBeforeRequest: async (request) => request.setHeader("Authorization", `Bearer ${await session.token()}`),
        onUploadUrlAvailable: () => {
          if (upload.url) {
            file.url = upload.url;
            void this.keep(item);
          }
        },
        onChunkComplete: (_, accepted) => void (file.sent = accepted),
        onSuccess: () => {
          file.sent = file.size;
          file.done = true;
          resolve();
        },
        onError: (error) => {
          const status = "originalResponse" in error ? error.originalResponse?.getStatus() : undefined;
          if (status && status >= 400 && status < 500 && ![401, 404, 409, 410, 423, 429].includes(status)) {
            file.failed = String(status);
            resolve();
          } else {
            // An upload that the server has forgotten begins anew.
            if (status === 404 || status === 410) delete file.url;
            reject(new Offline());
          }
        },
      });
      upload.start();
    });
  }
}

/** Wipes everything of this site from the phone and leaves. */
export async function vanish(): Promise<void> {
  await Vault.wipe();
  localStorage.clear();
  sessionStorage.clear();
  for (const name of await caches.keys()) await caches.delete(name);
  for (const worker of await navigator.serviceWorker.getRegistrations()) await worker.unregister();
  window.location.replace("about:blank");
}

// What an observer wrote, on their own phone: IndexedDB, every value sealed with a key that a PIN gives (PBKDF2,
// AES-GCM). Who takes the phone sees how many values there are and how long, and no more.
import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from "idb";

const NAME = "baqylau";
/** OWASP's advice of 2023 for PBKDF2 with SHA-256. */
const ROUNDS = 600_000;
/** Files are sealed in pieces, so that a film need not fit into memory. */
export const PIECE = 1024 * 1024;

export type Store = "items" | "settings";

interface Sealed {
  iv: Uint8Array<ArrayBuffer>;
  data: ArrayBuffer;
}

interface Schema extends DBSchema {
  items: { key: string; value: Sealed };
  settings: { key: string; value: Sealed };
  pieces: { key: [string, number]; value: Sealed };
  lock: { key: string; value: { salt: Uint8Array<ArrayBuffer>; proof: Sealed } };
}

export class WrongPin extends Error {}

const database = (): Promise<IDBPDatabase<Schema>> =>
  openDB<Schema>(NAME, 1, {
    upgrade(db) {
      for (const store of ["items", "settings", "pieces", "lock"] as const) db.createObjectStore(store);
    },
    // Wiping waits for nobody, not even for another tab.
    blocking: (_before, _after, event) => (event.target as IDBDatabase).close(),
  });

async function derive(pin: string, salt: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey("raw", new TextEncoder().encode(pin), "PBKDF2", false, ["deriveKey"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: ROUNDS };
  return crypto.subtle.deriveKey(how, material, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

export class Vault {
  private constructor(
    private readonly db: IDBPDatabase<Schema>,
    private readonly key: CryptoKey,
  ) {}

  static async exists(): Promise<boolean> {
    const db = await database();
    const locked = await db.get("lock", "lock");
    db.close();
    return locked !== undefined;
  }

  static async create(pin: string): Promise<Vault> {
    await Vault.wipe();
    const salt = crypto.getRandomValues(new Uint8Array(16));
    const vault = new Vault(await database(), await derive(pin, salt));
    await vault.db.put("lock", { salt, proof: await vault.seal(new TextEncoder().encode("baqylau")) }, "lock");
    return vault;
  }

  static async unlock(pin: string): Promise<Vault> {
    const db = await database();
    const lock = await db.get("lock", "lock");
    if (!lock) throw new WrongPin();
    const vault = new Vault(db, await derive(pin, lock.salt));
    try {
      await vault.open(lock.proof);
    } catch {
      db.close();
      throw new WrongPin();
    }
    return vault;
  }

  /** Leaves nothing behind. */
  static async wipe(): Promise<void> {
    await deleteDB(NAME, { blocked: () => undefined });
  }

  close(): void {
    this.db.close();
  }

  private async seal(data: BufferSource): Promise<Sealed> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    return { iv, data: await crypto.subtle.encrypt({ name: "AES-GCM", iv }, this.key, data) };
  }

  private open(sealed: Sealed): Promise<ArrayBuffer> {
    return crypto.subtle.decrypt({ name: "AES-GCM", iv: sealed.iv }, this.key, sealed.data);
  }

  async put(store: Store, key: string, value: unknown): Promise<void> {
    await this.db.put(store, await this.seal(new TextEncoder().encode(JSON.stringify(value))), key);
  }

  private async read<T>(sealed: Sealed): Promise<T> {
    return JSON.parse(new TextDecoder().decode(await this.open(sealed))) as T;
  }

  async get<T>(store: Store, key: string): Promise<T | undefined> {
    const sealed = await this.db.get(store, key);
    return sealed && this.read<T>(sealed);
  }

  async all<T>(store: Store): Promise<T[]> {
    return Promise.all((await this.db.getAll(store)).map((sealed) => this.read<T>(sealed)));
  }

  async remove(store: Store, key: string): Promise<void> {
    await this.db.delete(store, key);
  }

  async putFile(id: string, file: Blob): Promise<void> {
    for (let n = 0; n * PIECE < file.size; n++) {
      const piece = await file.slice(n * PIECE, (n + 1) * PIECE).arrayBuffer();
      await this.db.put("pieces", await this.seal(piece), [id, n]);
    }
  }

  /** The bytes of a file from `start` to `end`. */
  async readFile(id: string, start: number, end: number): Promise<Blob> {
    const parts: ArrayBuffer[] = [];
    for (let n = Math.floor(start / PIECE); n * PIECE < end; n++) {
      const sealed = await this.db.get("pieces", [id, n]);
      if (!sealed) throw new Error("a piece of the file is gone");
      const piece = await this.open(sealed);
      parts.push(piece.slice(Math.max(0, start - n * PIECE), end - n * PIECE));
    }
    return new Blob(parts);
  }

  async removeFile(id: string): Promise<void> {
    await this.db.delete("pieces", IDBKeyRange.bound([id, 0], [id, Infinity]));
  }
}

// A coordinator's session. Its refresh token lives as long as the tab does.
import { ask, get, Problem } from "../lib/api";
import { save } from "../lib/save";
import { Session, SignedOut, type Credentials } from "../lib/session";

const KEPT = "desk";

export interface Account {
  id: string;
  email: string | null;
  handle: string | null;
  name: string;
  role: "observer" | "coordinator" | "admin";
  regions: string[];
  disabled: boolean;
  second_factor: boolean;
}

const keep = async (refresh: string): Promise<void> => sessionStorage.setItem(KEPT, refresh);

export class Desk {
  account = $state.raw<Account>();
  private session: Session | undefined;

  async resume(): Promise<boolean> {
    const refresh = sessionStorage.getItem(KEPT);
    if (!refresh) return false;
    this.session = new Session(refresh, keep);
    try {
      this.account = await this.get<Account>("/me");
      return true;
    } catch (error) {
      if (error instanceof SignedOut) sessionStorage.removeItem(KEPT);
      return false;
    }
  }

  async signIn(credentials: Credentials): Promise<void> {
    this.session = await Session.signIn(credentials, keep);
    this.account = await this.get<Account>("/me");
  }

  async refreshAccount(): Promise<void> {
    this.account = await this.get<Account>("/me");
  }

  async signOut(): Promise<void> {
    sessionStorage.removeItem(KEPT);
    this.account = undefined;
    await this.session?.signOut().catch(() => undefined);
    this.session = undefined;
  }

  /** Asks as the account; a token that has ended meanwhile is renewed once. */
  async ask(path: string, request: { method?: string; body?: unknown; headers?: Record<string, string> } = {}): Promise<Response> {
    const session = this.session;
    if (!session) throw new SignedOut();
    try {
      return await ask(path, { ...request, token: await session.token() });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      session.forget();
      return ask(path, { ...request, token: await session.token() });
    }
  }

  async get<T>(path: string): Promise<T> {
    return (await this.ask(path)).json() as Promise<T>;
  }

  async post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
    const answer = await this.ask(path, { method: "POST", body, headers });
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }

  /** Downloads a file that the account may read. */
  async download(path: string, name: string): Promise<void> {
    save(await (await this.ask(path)).blob(), name);
  }
}

export const KINDS = ["violations", "protocols", "detentions"] as const;
export type Path = (typeof KINDS)[number];
export const singular = (path: Path): string => path.slice(0, -1);

export interface Record_ {
  id: string;
  record: string;
  region: string | null;
  city: string | null;
  place: { kk: string; ru: string; en: string } | null;
  polling_station: string | null;
  occurred_at: string;
  precision: string;
  local_date: string;
  description: string;
  status: string;
  duplicate_of: string | null;
  version: number;
  reporter: string;
  received_at: string;
  category?: string;
  severity?: string;
  stage?: string;
  copy_held_by?: string;
  people?: number | null;
  custody?: string;
  detained_by?: string;
  held_at?: string | null;
  person_commitment?: string | null;
  votes?: { candidate: string; votes: number }[];
  checks?: { name: string; holds: boolean | null; difference: number | null }[];
  turnout?: number | null;
  [figure: string]: unknown;
}

export interface Evidence {
  id: string;
  media_type: string;
  filename: string | null;
  size: number;
  copy: string | null;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export { get };

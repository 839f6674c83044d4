// Asks the server that the page came from, and no other.
import type { Names } from "./i18n.svelte";

export interface Fault {
  pointer: string;
  code: string;
  detail: string;
}

/** RFC 9457 problem details. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    title: string,
    readonly faults: Fault[],
  ) {
    super(title);
  }

  /** Title and every fault, for people. */
  get told(): string {
    return [this.message, ...this.faults.map((fault) => fault.detail)].join(" ");
  }
}

/** The network is gone, or the server does not answer. */
export class Offline extends Error {}

export interface Request_ {
  method?: string;
  token?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Where in the database's log the last write of this tab stands: whoever answers next shall have seen it. */
let position: string | null = null;

export async function ask(path: string, { method = "GET", token, body, headers = {} }: Request_ = {}): Promise<Response> {
  const all: Record<string, string> = { "accept-language": document.documentElement.lang, ...headers };
  if (position) all["baqylau-position"] = position;
  if (token) all["authorization"] = `Bearer ${token}`;
  if (body !== undefined && !all["content-type"]) all["content-type"] = "application/json";
  const sent = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, { method, headers: all, body: sent, credentials: "omit" });
  } catch {
    throw new Offline();
  }
  position = response.headers.get("baqylau-position") ?? position;
  if (response.status === 502 || response.status === 503 || response.status === 504) throw new Offline();
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Problem(response.status, problem.type ?? "", problem.title ?? response.statusText, problem.errors ?? []);
  }
  return response;
}

export async function get<T>(path: string, token?: string): Promise<T> {
  return (await ask(path, { token })).json() as Promise<T>;
}

export interface Election {
  id: string;
  date: string;
  names: Names;
  candidates: { number: number; names: Names }[];
}

export interface Region {
  code: string;
  names: Names;
  valid_from: string | null;
  valid_to: string | null;
  aliases: string[];
}

export interface City {
  id: string;
  names: Names;
  regions: { code: string; valid_from: string | null; valid_to: string | null }[];
}

export interface Group {
  region?: string;
  day?: string;
  category?: string;
  count: number | null;
  people?: number | null;
  suppressed?: boolean;
}

export interface Counts {
  groups: Group[];
  total: number | null;
  people?: number | null;
}

export interface Claim {
  id: string;
  topic: string;
  claimant: string;
  value: number | null;
  /** The day it was stated, where known. */
  stated_on: string | null;
  text: Names;
  source: string;
  passage: number | null;
}

export interface Event_ {
  id: string;
  starts_on: string;
  ends_on: string | null;
  text: Names;
  source: string;
  passage: number | null;
}

export interface Source {
  id: string;
  title: string;
  publisher: string | null;
  published_on: string | null;
}

export interface Comparison {
  verified: { records: number | null; people: number | null };
  recorded: { records: number | null; people: number | null };
  claims: { claim: Claim }[];
}

export interface Coverage {
  region: string | null;
  stations: number;
  with_sheet: number;
  with_verified: number;
  coverage: number;
}

export interface Table {
  label: string;
  stations: number;
  imported_at: string;
}

export interface SumCheck {
  holds: boolean;
}

/** Where the world's regions are named: a city of republican rank, or an oblast, as it stood on a day. */
export function on(region: Region, day: string): boolean {
  return (!region.valid_from || region.valid_from <= day) && (!region.valid_to || day < region.valid_to);
}

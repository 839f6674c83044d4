// A signed-in account whose refresh token is kept where its owner says, before it is used.
import { ask, Problem } from "./api";

interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

export class SignedOut extends Error {}

export interface Credentials {
  login: string;
  password: string;
  code?: string;
}

export class Session {
  private access: { token: string; until: number } | undefined;
  private refreshing: Promise<string> | undefined;

  constructor(
    private refresh: string,
    private readonly keep: (refresh: string) => Promise<void>,
  ) {}

  static async signIn({ login, password, code }: Credentials, keep: (refresh: string) => Promise<void>): Promise<Session> {
    const body = { ...(login.includes("@") ? { email: login } : { handle: login }), password, ...(code ? { code } : {}), device: "web" };
    const tokens = (await (await ask("/auth/login", { method: "POST", body })).json()) as Tokens;
    const session = new Session(tokens.refresh_token, keep);
    await session.take(tokens);
    return session;
  }

  private async take(tokens: Tokens): Promise<string> {
    await this.keep(tokens.refresh_token);
    this.refresh = tokens.refresh_token;
    this.access = { token: tokens.access_token, until: Date.now() + (tokens.expires_in - 30) * 1000 };
    return tokens.access_token;
  }

  /** An access token that is good for some moments. */
  async token(): Promise<string> {
    if (this.access && Date.now() < this.access.until) return this.access.token;
    this.refreshing ??= this.renew().finally(() => (this.refreshing = undefined));
    return this.refreshing;
  }

  private async renew(): Promise<string> {
    try {
      const answer = await ask("/auth/refresh", { method: "POST", body: { refresh_token: this.refresh } });
      return await this.take((await answer.json()) as Tokens);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) throw new SignedOut();
      throw error;
    }
  }

  /** The next call gets a fresh token. */
  forget(): void {
    this.access = undefined;
  }

  async signOut(): Promise<void> {
    await ask("/auth/logout", { method: "POST", body: {}, token: await this.token() });
  }
}

import { ConfigurationError } from "../../errors.ts";
import { formatAddress } from "../address.ts";
import type { RedisDriver, RedisLink } from "../link.ts";
import { flagAdvice } from "../tls/explain.ts";
import type { Connection, ConnectionOptions } from "./connection.ts";
import { TcpLink, type TcpLinkEvents } from "./link.ts";
import { openConnection } from "./open_connection.ts";

/** The driver for one server, reached over TCP, TLS or a Unix socket. */
export class TcpDriver implements RedisDriver {
  readonly #options: ConnectionOptions;

  /** Prepares; nothing is dialled before `connect`. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Makes one attempt: see {@linkcode RedisDriver}. */
  async connect(
    events: TcpLinkEvents,
    signal: AbortSignal,
  ): Promise<RedisLink> {
    const { onNotice } = events;
    const commands = await openConnection(
      this.#options,
      {
        onNotice,
        onExpires: (at) => events.onExpires?.(at),
        onStep: (step) => events.onStep?.(step),
      },
      signal,
    );
    return this.adopt(commands, events);
  }

  /** Makes a link from a connection to this server that is already open. */
  adopt(commands: Connection, events: TcpLinkEvents): RedisLink {
    const { address, tls } = this.#options;
    if (tls?.certReqs === "none" && "port" in address) {
      events.onNotice(
        new ConfigurationError(
          `Cannot leave the certificate of ${
            formatAddress(address)
          } unverified, as ssl_cert_reqs=none demands: ${
            flagAdvice(address.hostname)
          }`,
        ),
      );
    }
    return new TcpLink(commands, this.#options, events);
  }
}

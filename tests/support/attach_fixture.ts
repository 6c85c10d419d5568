import { Attachment, type Subscriptions } from "../../src/source/attachment.ts";
import { Delivery } from "../../src/source/delivery.ts";
import { Latch } from "../../src/source/latch.ts";
import { ReadSize } from "../../src/source/read_size.ts";
import type { Reader, Watch } from "../../src/source/watch.ts";
import { WatchTable } from "../../src/source/watch_table.ts";
import { decodeEvent } from "../../src/protocol/decode.ts";
import { FakeRuntime } from "./fake_runtime.ts";
import { FakeLink, type FakeStore } from "./fake_link.ts";
import { keyOf } from "./recording_reader.ts";

/** A table, its delivery, and a link attached to it: what a supervisor owns, without reconnecting. */
export class AttachFixture {
  readonly store: FakeStore = new Map();
  readonly table = new WatchTable();
  readonly readSize = new ReadSize();
  readonly runtime = new FakeRuntime();
  /** What the next link is subscribed to already. */
  subscriptions: Subscriptions | undefined;
  readonly delivery = new Delivery({
    table: this.table,
    decode: (document, taskId, origin) =>
      decodeEvent(document, taskId, { integers: "bigint" }, origin),
    onAbandoned: (watch) => this.#abandoned(watch),
  });
  link!: FakeLink;
  attachment!: Attachment;

  constructor() {
    this.connect();
  }

  /** Attaches a fresh link, as after a loss. */
  connect(prepare: (link: FakeLink) => void = () => {}): void {
    this.attachment?.stop();
    this.link = new FakeLink(this.store, {
      onMessage: (channel, payload) => {
        const watch = this.delivery.deliverMessage(channel, payload);
        if (watch !== undefined) this.attachment.reread(watch);
      },
      onNotice: () => {},
    });
    prepare(this.link);
    this.attachment = new Attachment(this);
  }

  /** Lets a reader await tasks; resolves when they are attached. */
  add(reader: Reader, ...taskIds: string[]): Promise<void> {
    const latch = new Latch();
    for (const taskId of taskIds) {
      const added = this.table.add(reader, keyOf(taskId), taskId, latch);
      if (added?.isNew) this.attachment.add(added.watch);
      else if (added !== undefined) this.attachment.reread(added.watch);
    }
    return latch.promise;
  }

  /** Ends a reader's wait. */
  leave(reader: Reader, taskId: string): void {
    const watch = this.table.get(keyOf(taskId));
    const wait = watch && this.table.findWait(watch, reader);
    if (wait !== undefined && this.table.leave(wait)) {
      this.#abandoned(wait.watch);
    }
  }

  #abandoned(watch: Watch): void {
    this.attachment.leave(watch);
  }
}

// Makes tar archives for tests, good and bad ones.

const BLOCK = 512;

export interface Member {
  readonly path: string;
  readonly type?: string;
  readonly bytes?: Buffer | string;
  /** What the header says of it, if not the truth. */
  readonly size?: number;
}

/** One member: header and padded content. */
export function tarMember({ path, type = "0", bytes = "", size }: Member): Buffer {
  const content = Buffer.from(bytes as string);
  const header = Buffer.alloc(BLOCK);
  header.write(path, 0, 100);
  header.write("0000644\0", 100);
  header.write((size ?? content.length).toString(8).padStart(11, "0"), 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write(type, 156);
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

export const tarOf = (...members: readonly Member[]): Buffer =>
  Buffer.concat([...members.map(tarMember), Buffer.alloc(2 * BLOCK)]);

/** A pax header for the next member. */
export function pax(records: Readonly<Record<string, string>>): Member {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (length !== rest + String(length).length) length++;
    return `${length} ${key}=${value}\n`;
  });
  return { path: "PaxHeader", type: "x", bytes: lines.join("") };
}

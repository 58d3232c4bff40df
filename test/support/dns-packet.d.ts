// The part of dns-packet that the test zone uses.

declare module "dns-packet" {
  export interface Question {
    readonly name: string;
    readonly type: string;
  }
  export interface Packet {
    readonly id: number;
    readonly flags: number;
    readonly questions: readonly Question[];
  }
  export function decode(bytes: Buffer): Packet;
  export function encode(packet: object): Buffer;
}

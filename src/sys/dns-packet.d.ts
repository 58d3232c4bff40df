// The part of dns-packet that we use.

declare module "dns-packet" {
  export interface Question {
    readonly name: string;
    readonly type: string;
  }
  export interface Answer {
    readonly name: string;
    readonly type: string;
    readonly ttl?: number;
    /** Text for A, AAAA, CNAME and PTR; an object for MX and TLSA; bytes for TXT. */
    readonly data: unknown;
  }
  export interface Packet {
    readonly id: number;
    readonly type: "query" | "response";
    /** Without QR, which `type` tells. */
    readonly flags: number;
    readonly questions: readonly Question[];
    readonly answers: readonly Answer[];
  }
  export function decode(bytes: Buffer): Packet;
  export function encode(packet: object): Buffer;
}

// What a mailbox is for, by its name: there is no other sign of it in a Maildir. The names are those
// that mail programs give, in some languages (RFC 6154 §2 has the purposes).

const JUNK: ReadonlySet<string> = new Set([
  "junk",
  "junk e-mail",
  "junk email",
  "junk mail",
  "junk-e-mail",
  "spam",
  "bulk mail",
  "correo no deseado",
  "courrier indésirable",
  "indésirables",
  "lixo eletrônico",
  "ongewenste e-mail",
  "posta indesiderata",
  "spamverdacht",
  "нежелательная почта",
  "спам",
  "垃圾邮件",
  "垃圾郵件",
  "迷惑メール",
  "스팸",
]);

const TRASH: ReadonlySet<string> = new Set([
  "trash",
  "deleted",
  "deleted items",
  "deleted messages",
  "bin",
  "cestino",
  "corbeille",
  "éléments supprimés",
  "gelöschte elemente",
  "gelöschte objekte",
  "papelera",
  "papierkorb",
  "prullenbak",
  "корзина",
  "удаленные",
  "已删除邮件",
  "ゴミ箱",
  "削除済みアイテム",
  "휴지통",
]);

/** Without the parent that some clients put everything below. */
const plain = (name: string): string =>
  name
    .normalize("NFC")
    .toLowerCase()
    .replace(/^inbox\//, "");

/** Mail that nobody wanted lies there, or below. */
export const isJunk = (name: string): boolean => JUNK.has(plain(name).split("/")[0] ?? "");

/** Mail that is about to go. */
export const isTrash = (name: string): boolean => TRASH.has(plain(name).split("/")[0] ?? "");

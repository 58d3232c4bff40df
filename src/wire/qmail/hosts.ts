// What qmail's control files rcpthosts and percenthack say of addresses (qmail-smtpd(8), qmail-send(8)).

/** Whether a domain is in a list like rcpthosts: itself, or by an entry `.suffix` of it. Both in lower case. */
export function isListed(domain: string, hosts: ReadonlySet<string>): boolean {
  if (hosts.has(domain)) return true;
  for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1))
    if (hosts.has(domain.slice(dot))) return true;
  return false;
}

/** `user%host@domain` as `user@host`, as often as the domain is one of these. */
export function withoutPercent(address: string, domains: ReadonlySet<string>): string {
  let found = address;
  while (domains.size > 0) {
    const at = found.lastIndexOf("@");
    const percent = found.lastIndexOf("%", at);
    if (at < 0 || percent < 0 || !domains.has(found.slice(at + 1).toLowerCase())) return found;
    found = `${found.slice(0, percent)}@${found.slice(percent + 1, at)}`;
  }
  return found;
}

// The feed that ships with Kenro: words by which names of lines without a server are known, and HELO names that no real server has.
// From our own knowledge of how providers name their lines; a site's own feeds come beside it.

export const starterPatterns = `
# how providers call the lines of their customers
word dyn
word dynamic
word dynip
word dynamicip
word dhcp
word pool
word pools
word dial
word dialin
word dialup
word ppp
word pppoe
word dsl
word adsl
word vdsl
word xdsl
word sdsl
word cable
word cablemodem
word modem
word broadband
word bb
word catv
word docsis
word hsd
word ftth
word fttx
word fttb
word fiber
word fibre
word gpon
word wimax
word wireless
word wifi
word wlan
word hotspot
word mobile
word cellular
word lte
word gprs
word umts
word nat
word cgn
word cgnat
word user
word users
word client
word customer
word customers
word cust
word subscriber
word subscribers
word subs
word resi
word res
word residential
word home
word retail
word ip
word host
word hosts
word node
word unassigned
word unused

# machines that are meant to serve
server static
server fixed
server fix
server business
server biz
server corp
server mail
server mailer
server mailout
server mx
server mta
server smtp
server relay
server outbound
server out
server server
server srv
server vps
server dedicated
server colo
`;

/** HELO names that programs give which are no mail servers; as in badhelodir: exact, or a suffix that begins with a dot. */
export const starterHello: ReadonlySet<string> = new Set([
  "localhost.localdomain",
  ".localdomain",
  ".invalid",
  ".example",
  "example.com",
  "example.org",
  "example.net",
  "friend",
  "ylmf-pc",
  "mailserver.com",
  "none",
  "unknown",
  "test.com",
  "domain.com",
  "yourdomain.com",
]);

/* load: sends messages over SMTP on loopback as fast as the server takes them: one thread, epoll, no waiting between commands.
 * usage: load PORT MESSAGES CONNECTIONS BYTES PER-CONNECTION USERS DOMAIN SECONDS [refused]
 * Recipients are user0 … user<USERS-1>@DOMAIN in turn, one for each message. A connection sends up to PER-CONNECTION messages, one
 * command at a time, and says QUIT; then the next one begins. "refused": the recipients do not exist, a 5xx counts as what was
 * wanted, and the session ends with it. Prints one line of JSON: what was accepted, what was not, the
 * seconds from the first connect to the last 250, milliseconds from MAIL to 250, CPU milliseconds of its own, and the last thing that
 * went wrong. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Named after the reply that is waited for. */
enum step { FREE, GREETING, EHLO, MAIL, RCPT, DATA, BODY, QUIT };
static const int expected[] = {0, 220, 250, 250, 250, 354, 250, 221};

struct connection {
  int fd;
  enum step step;
  long left; /* messages that it still has to send */
  double mail; /* when MAIL was sent */
  const char *out; /* what has not been written yet */
  size_t out_size;
  char command[512];
  char reply[4096];
  size_t reply_size;
};

static int port, epoll, refused;
static long messages, per_connection, users, given, accepted;
static const char *domain;
static char *body, error[256];
static size_t body_size;
static double *waits, last;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

/* Ends a connection whose messages will not be sent any more. */
static void fail(struct connection *c, const char *why) {
  snprintf(error, sizeof error, "step %d: %s", c->step, why);
  for (char *at = error; *at; at++)
    if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ') *at = ' ';
  close(c->fd);
  c->step = FREE;
}

static void wait_for(struct connection *c, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void put(struct connection *c) {
  while (c->out_size > 0) {
    ssize_t sent = send(c->fd, c->out, c->out_size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) return wait_for(c, EPOLLIN | EPOLLOUT);
    if (sent < 0) return fail(c, strerror(errno));
    c->out += sent;
    c->out_size -= sent;
  }
}

static void say(struct connection *c, enum step step, const char *format, long user) {
  c->step = step;
  c->out = c->command;
  c->out_size = snprintf(c->command, sizeof c->command, format, user, domain);
  put(c);
}

static void begin(struct connection *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  int on = 1;
  c->left = messages - given < per_connection ? messages - given : per_connection;
  given += c->left;
  c->step = GREETING;
  c->reply_size = c->out_size = 0;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* on loopback this waits for nothing but room in the server's backlog */
  if (connect(c->fd, (void *)&to, sizeof to) < 0) return fail(c, strerror(errno));
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void next_message(struct connection *c) {
  if (c->left == 0) return say(c, QUIT, "QUIT\r\n", 0);
  c->mail = now();
  say(c, MAIL, "MAIL FROM:<sender@client.test>\r\n", 0);
}

/* One whole reply. */
static void take(struct connection *c, int code, const char *text) {
  static long turn;
  if (refused && c->step == RCPT ? code / 100 != 5 : code != expected[c->step]) return fail(c, text);
  switch (c->step) {
  case GREETING:
    return say(c, EHLO, "EHLO client.test\r\n", 0);
  case EHLO:
    return next_message(c);
  case MAIL:
    return say(c, RCPT, refused ? "RCPT TO:<nobody%ld@%s>\r\n" : "RCPT TO:<user%ld@%s>\r\n", turn++ % users);
  case RCPT:
    if (refused) {
      last = now();
      waits[accepted++] = last - c->mail;
      c->left--;
      return say(c, QUIT, "QUIT\r\n", 0);
    }
    return say(c, DATA, "DATA\r\n", 0);
  case DATA:
    c->step = BODY;
    c->out = body;
    c->out_size = body_size;
    return put(c);
  case BODY:
    last = now();
    waits[accepted++] = last - c->mail;
    c->left--;
    return next_message(c);
  case QUIT:
    close(c->fd);
    c->step = FREE;
  default:
    return;
  }
}

static void hear(struct connection *c) {
  ssize_t got = recv(c->fd, c->reply + c->reply_size, sizeof c->reply - 1 - c->reply_size, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return fail(c, got == 0 ? "the server closed the connection" : strerror(errno));
  c->reply_size += got;
  char *line = c->reply, *end;
  while (c->step != FREE && (end = memchr(line, '\n', c->reply + c->reply_size - line))) {
    *end = 0;
    if (end - line >= 4 && line[3] != '-') take(c, atoi(line), line);
    line = end + 1;
  }
  if (c->step == FREE) return;
  c->reply_size -= line - c->reply;
  memmove(c->reply, line, c->reply_size);
}

static void make_body(size_t size) {
  static const char text[] = "The quick brown fox jumps over the lazy dog 0123456789 abcdefghij klmnop\r\n";
  body = malloc(size + 1024);
  body_size = sprintf(body,
                      "From: <sender@client.test>\r\nTo: <user@%s>\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n"
                      "Message-ID: <speed.%d@client.test>\r\nSubject: How fast is it\r\n\r\n",
                      domain, (int)getpid());
  for (; body_size + sizeof text - 1 <= size; body_size += sizeof text - 1) memcpy(body + body_size, text, sizeof text - 1);
  memcpy(body + body_size, ".\r\n", 3);
  body_size += 3;
}

static int by_size(const void *a, const void *b) {
  double one = *(const double *)a, other = *(const double *)b;
  return (one > other) - (one < other);
}

int main(int count, char **words) {
  if (count != 9 && count != 10) {
    fprintf(stderr, "usage: load PORT MESSAGES CONNECTIONS BYTES PER-CONNECTION USERS DOMAIN SECONDS [refused]\n");
    return 2;
  }
  port = atoi(words[1]);
  messages = atol(words[2]);
  long connections = atol(words[3]);
  per_connection = atol(words[5]);
  users = atol(words[6]);
  domain = words[7];
  refused = count == 10;
  make_body(atol(words[4]));
  waits = calloc(messages + 1, sizeof *waits);
  struct connection *all = calloc(connections, sizeof *all);
  struct epoll_event events[256];
  epoll = epoll_create1(0);
  double start = now(), end = start + atof(words[8]);
  last = start;
  long busy;
  for (;;) {
    busy = 0;
    for (long i = 0; i < connections; i++) {
      if (all[i].step == FREE && given < messages) begin(&all[i]);
      busy += all[i].step != FREE;
    }
    if (busy == 0 || now() > end) break;
    int ready = epoll_wait(epoll, events, 256, 100);
    for (int i = 0; i < ready; i++) {
      struct connection *c = events[i].data.ptr;
      if (c->step != FREE && events[i].events & EPOLLOUT) {
        wait_for(c, EPOLLIN);
        put(c);
      }
      if (c->step != FREE && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(c);
    }
  }
  qsort(waits, accepted, sizeof *waits, by_size);
  printf("{\"accepted\":%ld,\"failed\":%ld,\"seconds\":%.4f,\"median\":%.3f,\"p99\":%.3f,\"cpu\":%.0f,\"error\":\"%s\"}\n", accepted,
         messages - accepted, last - start, accepted ? waits[accepted / 2] * 1e3 : 0, accepted ? waits[accepted * 99 / 100] * 1e3 : 0,
         clock() * 1e3 / CLOCKS_PER_SEC, busy > 0 ? "out of time" : error);
  return 0;
}

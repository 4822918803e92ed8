/*
 * What both sides speak: messages over named pipes.
 *
 * A service NAME has one pipe with as many instances as there are connections. The first message of
 * a connection says what it is for:
 *
 *   LIFE     pid ──▶ number of the client, incarnation of the service. Open as long as the client
 *            lives; its only other message is the goodbye of a client that ends in order.
 *   EVENTS   number of the client ──▶ 0. From then on the service sends, see `What`.
 *   CALLS    number of the client. Then calls, each with its answer; and acknowledgements of what
 *            came as an event, which have none.
 *   CONTROL  0. Then a verb and its argument ──▶ an exit code and text. See control.c of the service.
 *
 * A message is its length in 4 bytes and that many more; numbers are little-endian.
 */
#ifndef WIRE_H
#define WIRE_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- memory.c ---- */

void *allocate(size_t size); /* zeroed; never NULL */
void release(void *block);
WCHAR *copy_text(const WCHAR *text); /* NULL stays NULL */

/* ---- wire.c ---- */

typedef struct Message {
    unsigned char *bytes;
    size_t length, room;
    size_t at; /* where it is read */
} Message;

void message_begin(Message *message); /* empty, its memory kept */
void message_clear(Message *message);
void put_number(Message *message, uint64_t number);
void put_text(Message *message, const WCHAR *text);
uint64_t take_number(Message *message); /* 0 past the end */
WCHAR *take_text(Message *message);     /* for the caller to release; may be NULL */

/* A pipe and what was read from it beyond the last message. */
typedef struct Connection {
    HANDLE pipe;
    unsigned char *bytes;
    size_t have, room;
    struct Connection *next; /* of those that nobody uses now */
} Connection;

Connection *connection_new(HANDLE pipe);
void connection_free(Connection *connection); /* NULL is none */
bool message_send(HANDLE pipe, Message *message);
bool message_receive(Connection *connection, Message *message);

typedef enum Purpose {
    FOR_LIFE = 1,
    FOR_EVENTS,
    FOR_CALLS,
    FOR_CONTROL
} Purpose;

/* What comes as an event; each is acknowledged with a number. */
typedef enum What {
    WHAT_COMPLETION, /* call a completion callback */
    WHAT_EVENT,      /* call an event callback */
    WHAT_STRINGS     /* count the strings that are not freed */
} What;

#define ACKNOWLEDGE 0xFFFFFFFFu /* in place of the number of an export */

void service_pipe(WCHAR path[MAX_PATH], const WCHAR *name);
Connection *service_connect(const WCHAR *name); /* NULL: there is no such service */

/* ---- handles, as both sides see them: tag, generation, incarnation, index ---- */

#define HANDLE_INDEX_BITS 16
#define HANDLE_TAG_SHIFT 48
#define HANDLE_GENERATION_SHIFT 32
#define HANDLE_INCARNATION_SHIFT 16
#define HANDLE_TAG 0x8000u /* and the kind */

#endif

/*
 * computecore.dll: a thin one that forwards every export to the service's process.
 *
 *   module.c     the life of the DLL
 *   session.c    the service that we talk to: found, started, lost, found again
 *   stubs.c      the exports, and the way of a call
 *   callbacks.c  callbacks, and who is told when the service is lost
 *   strings.c    the strings that callers free
 *
 * One lock guards what the parts share. It is never held while a callback runs or a pipe is used.
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include "../protocol/wire.h"

#include "../protocol/exports.h"

extern HINSTANCE library_module;
extern CRITICAL_SECTION library_lock;
extern CONDITION_VARIABLE library_changed; /* something that somebody may wait for */
extern DWORD library_delivery;             /* of each thread: what its callback was sent with */
void lock(void);
void unlock(void);

/* ---- session.c ---- */

/* One service, from when it was found until it is lost. It is kept: handles name it. */
typedef struct Session {
    struct Session *next;
    Connection *life, *events;
    uint64_t client;
    unsigned incarnation;
    bool lost;        /* a connection has broken */
    bool ended;       /* all that it had sent has been read, and whoever listens is being told */
    Connection *idle; /* for calls */
} Session;

Session *session_get(void); /* NULL: there is no service */
Session *session_of(uint64_t handle); /* lock held; NULL: of none that we have seen */
Connection *session_take(Session *session); /* NULL: it is lost */
void session_give(Session *session, Connection *connection);
void session_lost(Session *session);
void session_goodbye(void);

/* ---- callbacks.c ---- */

DWORD WINAPI receive_events(void *session); /* a thread, for as long as the session lasts */
void callbacks_set(Session *session, uint64_t handle, uint64_t callback, uint64_t context);
void callbacks_set_context(uint64_t handle, uint64_t context);
void callbacks_started(Session *session, uint64_t operation);
void callbacks_close(uint64_t handle); /* returns when none runs but that which closes */

/* ---- strings.c ---- */

PWSTR give_text(const WCHAR *text); /* counted until the caller frees it; NULL gives NULL */
UINT64 live_strings(void);
UINT64 live_strings_at_exit(void); /* when no other thread is left */

#endif

/*
 * Callbacks, and who is told when the service is lost.
 *
 *   sent by the service ──read──▶ under way, on a thread of the pool ──returned──▶ acknowledged
 *
 * The service waits for the acknowledgement: so its close drains callbacks, and events of a handle
 * come one after the other. A call from within a callback names what that was sent with, by which
 * the service knows a close of the callback's own handle.
 *
 * Which callbacks there are is noted here, too. When the service is lost, whoever listens to a handle
 * hears HcsEventServiceDisconnect, and each operation under way completes. Closing a handle then waits
 * for its callbacks here.
 *
 * Each event is a structure of its own whose memory is overwritten and freed when the callback
 * returns, so that whoever keeps a pointer is found out.
 */
#include "library.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

typedef struct Known {
    struct Known *next;
    uint64_t handle, callback, context;
    int under_way; /* of an operation: starts that have not completed; -1 until a start returns */
} Known;

typedef struct Delivery {
    struct Delivery *next;
    Session *session;
    uint64_t number; /* 0: not of the service, so not acknowledged */
    What what;
    uint64_t handle, callback, context;
    HCS_EVENT_TYPE type;
    WCHAR *data;
    DWORD thread; /* 0: not begun */
} Delivery;

static Known *known;
static Delivery *deliveries;

static Known **find(uint64_t handle)
{
    Known **link = &known;

    while (*link && (*link)->handle != handle)
        link = &(*link)->next;
    return link;
}

static bool is_operation(uint64_t handle)
{
    return handle >> HANDLE_TAG_SHIFT == (HANDLE_TAG | 1);
}

/* ---- running them ---- */

static void acknowledge(Session *session, uint64_t number, uint64_t value)
{
    Connection *connection = number ? session_take(session) : NULL;
    Message message = {0};

    if (!connection)
        return;
    message_begin(&message);
    put_number(&message, ACKNOWLEDGE);
    put_number(&message, number);
    put_number(&message, value);
    if (message_send(connection->pipe, &message)) {
        session_give(session, connection);
    } else {
        connection_free(connection);
        session_lost(session);
    }
    message_clear(&message);
}

static void call_event(const Delivery *delivery)
{
    HCS_EVENT_CALLBACK callback = (HCS_EVENT_CALLBACK)(ULONG_PTR)delivery->callback;
    HCS_EVENT *event = allocate(sizeof(*event));

    event->Type = delivery->type;
    event->EventData = delivery->data;
    callback(event, (void *)(ULONG_PTR)delivery->context);
    memset(event, 0xDD, sizeof(*event));
    if (delivery->data)
        memset(delivery->data, 0xDD, (wcslen(delivery->data) + 1) * sizeof(WCHAR));
    release(event);
}

static void CALLBACK run(PTP_CALLBACK_INSTANCE instance, void *argument)
{
    Delivery *delivery = argument, **link = &deliveries;
    HCS_OPERATION_COMPLETION complete =
        (HCS_OPERATION_COMPLETION)(ULONG_PTR)delivery->callback;
    uint64_t value = 0;

    (void)instance;
    lock();
    delivery->thread = GetCurrentThreadId();
    unlock();
    TlsSetValue(library_delivery, (void *)(ULONG_PTR)delivery->number);
    if (delivery->what == WHAT_STRINGS)
        value = live_strings();
    else if (delivery->what == WHAT_EVENT)
        call_event(delivery);
    else
        complete((HCS_OPERATION)(ULONG_PTR)delivery->handle,
                 (void *)(ULONG_PTR)delivery->context);
    TlsSetValue(library_delivery, NULL);
    lock();
    while (*link != delivery)
        link = &(*link)->next;
    *link = delivery->next;
    WakeAllConditionVariable(&library_changed);
    unlock();
    acknowledge(delivery->session, delivery->number, value);
    release(delivery->data);
    release(delivery);
}

/* Lock held, so that a close that comes now waits for it. */
static void submit(const Delivery *what)
{
    Delivery *delivery = allocate(sizeof(*delivery));

    *delivery = *what;
    delivery->next = deliveries;
    deliveries = delivery;
    if (!TrySubmitThreadpoolCallback(run, delivery, NULL))
        abort();
}

/* ---- what is sent ---- */

/* Tell of one handle that the service is lost. Lock held. */
static void tell_lost(Session *session, const Known *one)
{
    Delivery delivery = {.session = session,
                         .what = is_operation(one->handle) ? WHAT_COMPLETION : WHAT_EVENT,
                         .handle = one->handle,
                         .callback = one->callback,
                         .context = one->context,
                         .type = HcsEventServiceDisconnect};

    if (one->callback)
        submit(&delivery);
}

static void tell_all_lost(Session *session)
{
    Known *one;

    session_lost(session);
    lock();
    session->ended = true;
    for (one = known; one; one = one->next)
        if (session_of(one->handle) == session &&
            (is_operation(one->handle) ? one->under_way > 0 : true)) {
            tell_lost(session, one);
            one->under_way = 0;
        }
    WakeAllConditionVariable(&library_changed);
    unlock();
}

DWORD WINAPI receive_events(void *argument)
{
    Session *session = argument;
    Message message = {0};
    Known *one;

    while (message_receive(session->events, &message)) {
        Delivery delivery = {.session = session, .what = (What)take_number(&message)};

        delivery.number = take_number(&message);
        delivery.handle = take_number(&message);
        delivery.callback = take_number(&message);
        delivery.context = take_number(&message);
        delivery.type = (HCS_EVENT_TYPE)take_number(&message);
        delivery.data = take_text(&message);
        lock();
        one = *find(delivery.handle);
        if (one && delivery.what == WHAT_COMPLETION)
            one->under_way--;
        submit(&delivery);
        unlock();
    }
    message_clear(&message);
    tell_all_lost(session);
    return 0;
}

/* ---- what calls note ---- */

void callbacks_set(Session *session, uint64_t handle, uint64_t callback, uint64_t context)
{
    Known **link, *one;

    lock();
    link = find(handle);
    if (!*link) {
        *link = allocate(sizeof(**link));
        (*link)->handle = handle;
    }
    one = *link;
    one->callback = callback;
    one->context = context;
    if (session->ended && !is_operation(handle))
        tell_lost(session, one);
    unlock();
}

void callbacks_set_context(uint64_t handle, uint64_t context)
{
    Known *one;

    lock();
    one = *find(handle);
    if (one)
        one->context = context;
    unlock();
}

void callbacks_started(Session *session, uint64_t operation)
{
    Known *one;

    lock();
    one = *find(operation);
    if (one && ++one->under_way > 0 && session->ended) {
        tell_lost(session, one);
        one->under_way = 0;
    }
    unlock();
}

static bool runs_elsewhere(uint64_t handle)
{
    const Delivery *delivery = deliveries;

    while (delivery &&
           (delivery->handle != handle || delivery->thread == GetCurrentThreadId()))
        delivery = delivery->next;
    return delivery != NULL;
}

void callbacks_close(uint64_t handle)
{
    Known **link, *closed;
    Session *session;

    lock();
    session = session_of(handle);
    while (session && session->lost && !session->ended)
        SleepConditionVariableCS(&library_changed, &library_lock, INFINITE);
    link = find(handle);
    closed = *link;
    if (closed) {
        *link = closed->next;
        release(closed);
    }
    if (!is_operation(handle))
        while (runs_elsewhere(handle))
            SleepConditionVariableCS(&library_changed, &library_lock, INFINITE);
    unlock();
}

/*
 * Callbacks of clients.
 *
 *   sent to the client ──its acknowledgement, or its death──▶ over
 *
 * Whoever sends one waits until it is over, so the order of events and the close that drains
 * callbacks are as they would be if the callback were called here.
 */
#include "double.h"

typedef struct Delivery {
    struct Delivery *next;
    UINT64 number, value;
    const void *subject;
    bool over;
} Delivery;

static Delivery *deliveries;
static UINT64 last_number;

static Delivery *find(UINT64 number)
{
    Delivery *delivery = deliveries;

    while (delivery && delivery->number != number)
        delivery = delivery->next;
    return delivery;
}

/* If it cannot be sent the client dies, and that ends the wait. */
static void send(Client *client, Message *message)
{
    Connection *events;

    lock();
    while (!client->events && !client->gone) /* it has only just come */
        SleepConditionVariableCS(&double_changed, &double_lock, INFINITE);
    events = client->events;
    unlock();
    if (!events)
        return;
    AcquireSRWLockExclusive(&client->writing);
    message_send(events->pipe, message);
    ReleaseSRWLockExclusive(&client->writing);
}

/* Returns what it was acknowledged with; 0 if the client is gone. Lock not held. */
static UINT64 tell(UINT64 to, What what, const void *subject, const UINT64 values[4],
                   const WCHAR *data)
{
    Client *client = client_get(to);
    Delivery delivery = {.subject = subject}, **link = &deliveries;
    Message message = {0};
    int index;

    if (!client)
        return 0;
    lock();
    delivery.number = ++last_number;
    delivery.next = deliveries;
    deliveries = &delivery;
    unlock();
    message_begin(&message);
    put_number(&message, what);
    put_number(&message, delivery.number);
    for (index = 0; index < 4; index++)
        put_number(&message, values[index]);
    put_text(&message, data);
    send(client, &message);
    message_clear(&message);
    lock();
    while (!delivery.over && !client->gone)
        SleepConditionVariableCS(&double_changed, &double_lock, INFINITE);
    while (*link != &delivery)
        link = &(*link)->next;
    *link = delivery.next;
    unlock();
    client_release(client);
    return delivery.value;
}

void tell_completion(UINT64 client, HCS_OPERATION_COMPLETION callback, HCS_OPERATION handle,
                     void *context)
{
    const UINT64 values[4] = {(ULONG_PTR)handle, (ULONG_PTR)callback, (ULONG_PTR)context, 0};

    tell(client, WHAT_COMPLETION, NULL, values, NULL);
}

void tell_event(const Opened *opened, HCS_EVENT_TYPE type, const WCHAR *data)
{
    const UINT64 values[4] = {(ULONG_PTR)opened->handle, (ULONG_PTR)opened->callback,
                              (ULONG_PTR)opened->context, type};

    tell(opened->client, WHAT_EVENT, opened, values, data);
}

UINT64 ask_strings(UINT64 client)
{
    const UINT64 values[4] = {0};

    return tell(client, WHAT_STRINGS, NULL, values, NULL);
}

void delivery_acknowledged(UINT64 number, UINT64 value)
{
    Delivery *delivery;

    lock();
    delivery = find(number);
    if (delivery) {
        delivery->value = value;
        delivery->over = true;
        WakeAllConditionVariable(&double_changed);
    }
    unlock();
}

const void *delivery_subject(UINT64 number)
{
    const Delivery *delivery;
    const void *subject;

    lock();
    delivery = find(number);
    subject = delivery ? delivery->subject : NULL;
    unlock();
    return subject;
}

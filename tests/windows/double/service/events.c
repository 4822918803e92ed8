/*
 * Event callbacks of open handles.
 *
 *   no callback ──set──▶ set ──close──▶ closed: deliveries under way are waited for, none follows
 *
 * Each event is a structure of its own whose memory is overwritten and freed when the callback
 * returns, so that whoever keeps a pointer is found out. A close from inside the handle's own
 * callback does not wait for itself.
 */
#include "double.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static DWORD running_key =
    TLS_OUT_OF_INDEXES; /* of each thread: the handle whose callback it is in */

static void opened_release(Opened *opened)
{
    if (--opened->references == 0)
        release(opened);
}

Opened *opened_new(void *target, Opened **list)
{
    Opened *opened = allocate(sizeof(*opened));

    opened->target = target;
    opened->references = 1;
    opened->next = *list;
    *list = opened;
    return opened;
}

HRESULT opened_set_callback(Opened *opened, HCS_EVENT_OPTIONS options, const void *context,
                            HCS_EVENT_CALLBACK callback)
{
    if (options != HcsEventOptionNone)
        return HR_NOT_SUPPORTED;
    if (opened->callback)
        return HR_CALLBACK_ALREADY_SET;
    opened->callback = callback;
    opened->context = (void *)context;
    return S_OK;
}

void opened_close(Opened *opened, Opened **list)
{
    while (*list && *list != opened)
        list = &(*list)->next;
    if (*list)
        *list = opened->next;
    opened->closed = true;
    if (running_key == TLS_OUT_OF_INDEXES || TlsGetValue(running_key) != opened)
        while (opened->running)
            SleepConditionVariableCS(&double_changed, &double_lock, INFINITE);
    opened_release(opened);
}

static void call(Opened *opened, HCS_EVENT_TYPE type, const WCHAR *data)
{
    HCS_EVENT *event = allocate(sizeof(*event));
    size_t size = data ? (wcslen(data) + 1) * sizeof(WCHAR) : 0;
    WCHAR *text = copy_text(data);

    event->Type = type;
    event->EventData = text;
    TlsSetValue(running_key, opened);
    opened->callback(event, opened->context);
    TlsSetValue(running_key, NULL);
    memset(event, 0xDD, sizeof(*event));
    if (text)
        memset(text, 0xDD, size);
    release(event);
    release(text);
}

void deliver(Opened **list, HCS_EVENT_TYPE type, const WCHAR *data)
{
    Opened *opened, **found;
    size_t count = 0, index;

    lock();
    if (running_key == TLS_OUT_OF_INDEXES)
        running_key = TlsAlloc();
    for (opened = *list; opened; opened = opened->next)
        count++;
    found = allocate((count + 1) * sizeof(*found));
    for (count = 0, opened = *list; opened; opened = opened->next)
        if (opened->callback) {
            opened->references++;
            found[count++] = opened;
        }
    for (index = 0; index < count; index++) {
        opened = found[index];
        if (!opened->closed) {
            opened->running++;
            unlock();
            call(opened, type, data);
            lock();
            opened->running--;
            WakeAllConditionVariable(&double_changed);
        }
        opened_release(opened);
    }
    unlock();
    release(found);
}

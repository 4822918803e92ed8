/*
 * Event callbacks of open handles.
 *
 *   no callback ──set──▶ set ──close──▶ closed: deliveries under way are waited for, none follows
 *
 * The callback runs in the client; here it is under way until that has acknowledged it. A close from
 * inside the handle's own callback does not wait for itself.
 */
#include "double.h"

static void opened_release(Opened *opened)
{
    if (--opened->references == 0)
        release(opened);
}

Opened *opened_new(void *target, Opened **list)
{
    Opened *opened = allocate(sizeof(*opened));

    opened->target = target;
    opened->client = caller_client();
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
    if (caller_subject() != opened)
        while (opened->running)
            SleepConditionVariableCS(&double_changed, &double_lock, INFINITE);
    opened_release(opened);
}

void deliver(Opened **list, HCS_EVENT_TYPE type, const WCHAR *data)
{
    Opened *opened, **found;
    size_t count = 0, index;

    lock();
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
            tell_event(opened, type, data);
            lock();
            opened->running--;
            WakeAllConditionVariable(&double_changed);
        }
        opened_release(opened);
    }
    unlock();
    release(found);
}

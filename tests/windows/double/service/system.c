/*
 * Compute systems: which there are, their handles and their events. How they live is in lifecycle.c.
 *
 * There is one from the start, `host`, and it runs as long as the service, unless somebody ends it. A system is freed when it is not listed any more and nothing refers to it.
 *
 * A handle whose service went away (`disconnect`) answers RPC_S_SERVER_UNAVAILABLE to everything but
 * its close; new handles can be opened at once.
 */
#include "double.h"

#include <stdio.h>
#include <wchar.h>

static WCHAR host_id[] = L"host", host_owner[] = L"hcsd";
static System host = {.references = 2, /* the list's, and one that is never given up */
                      .state = SYSTEM_RUNNING,
                      .shown = SYSTEM_RUNNING,
                      .asked = {.owner = host_owner},
                      .id = host_id,
                      .runtime_id = L"6d1f0a52-52c1-4c7e-9d3e-0c2f3b7a9e11"};
System *systems = &host;
static UINT64 made, live;

System *system_new(const WCHAR *id, Configuration *configuration)
{
    System *system = allocate(sizeof(*system));

    system->references = 1;
    system->id = copy_text(id);
    system->asked = *configuration;
    swprintf(system->runtime_id, ARRAYSIZE(system->runtime_id), L"%08lx-0000-4000-8000-%012I64x",
             GetCurrentProcessId(), ++made);
    live++;
    return system;
}

void system_retain(System *system)
{
    system->references++;
}

void system_release(System *system)
{
    if (--system->references)
        return;
    job_close(system);
    release(system->id);
    release(system->asked.owner);
    release(system);
    live--;
}

void system_discard(void *system)
{
    lock();
    system_release(system);
    unlock();
}

UINT64 live_systems(void)
{
    UINT64 count;

    lock();
    count = live;
    unlock();
    return count;
}

static System *system_by_id(const WCHAR *id)
{
    System *system = systems;

    while (system && (!id || wcscmp(system->id, id) != 0))
        system = system->next;
    return system;
}

bool system_list(System *system)
{
    if (system_by_id(system->id))
        return false;
    system_retain(system);
    system->next = systems;
    systems = system;
    return true;
}

void system_unlist(System *system)
{
    System **link = &systems;

    while (*link && *link != system)
        link = &(*link)->next;
    if (*link) {
        *link = system->next;
        system_release(system);
    }
}

HCS_SYSTEM system_handle(System *system)
{
    system_retain(system);
    return handle_add(SYSTEM_HANDLE, opened_new(system, &system->handles));
}

Process **system_processes(System *system)
{
    Process *process, **found;
    size_t count = 0;

    for (process = system->processes; process; process = process->next)
        count++;
    found = allocate((count + 1) * sizeof(*found));
    for (count = 0, process = system->processes; process; process = process->next) {
        process_retain(process);
        found[count++] = process;
    }
    return found;
}

Opened *system_opened(HCS_SYSTEM handle, Failure *failure)
{
    Opened *opened = handle_get(SYSTEM_HANDLE, handle);

    if (!opened)
        fail(failure, E_HANDLE, "the system handle is not open");
    else if (opened->dead)
        fail(failure, HR_SERVER_UNAVAILABLE, "the service went away, and the handle with it");
    else
        return opened;
    return NULL;
}

HRESULT WINAPI HcsOpenComputeSystem(PCWSTR id, DWORD requestedAccess, HCS_SYSTEM *computeSystem)
{
    Fault fault = fault_take("HcsOpenComputeSystem");
    HRESULT result = fault.start;
    System *system;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    if (fault.disconnect)
        disconnect();
    fault_clear(&fault);
    if (!computeSystem)
        return E_POINTER;
    *computeSystem = NULL;
    if (!result && requestedAccess != GENERIC_ALL)
        result = E_INVALIDARG;
    if (result)
        return result;
    lock();
    system = system_by_id(id);
    if (system)
        *computeSystem = system_handle(system);
    unlock();
    return system ? S_OK : HR_SYSTEM_NOT_FOUND;
}

void WINAPI HcsCloseComputeSystem(HCS_SYSTEM computeSystem)
{
    Fault fault = fault_take("HcsCloseComputeSystem");
    Opened *opened;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    fault_clear(&fault);
    lock();
    opened = handle_remove(SYSTEM_HANDLE, computeSystem);
    if (opened) {
        System *system = opened->target;

        opened_close(opened, &system->handles);
        system_closed(system);
        system_release(system);
    }
    unlock();
}

HRESULT WINAPI HcsSetComputeSystemCallback(HCS_SYSTEM computeSystem,
                                           HCS_EVENT_OPTIONS callbackOptions, const void *context,
                                           HCS_EVENT_CALLBACK callback)
{
    Fault fault = fault_take("HcsSetComputeSystemCallback");
    HRESULT result = fault.start;
    Failure failure = {0};
    Opened *opened;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    fault_clear(&fault);
    if (result)
        return result;
    lock();
    opened = system_opened(computeSystem, &failure);
    result =
        opened ? opened_set_callback(opened, callbackOptions, context, callback) : failure.code;
    unlock();
    failure_clear(&failure);
    return result;
}

static void kill_handle(void *object, void *argument)
{
    (void)argument;
    ((Opened *)object)->dead = true;
}

/* Tell all processes of a system, each by its own handles. Lock not held. */
static void disconnect_processes(System *system)
{
    Process **found, **each;

    lock();
    found = system_processes(system);
    unlock();
    for (each = found; *each; each++) {
        deliver(&(*each)->handles, HcsEventServiceDisconnect, NULL);
        lock();
        process_release(*each);
        unlock();
    }
    release(found);
}

void disconnect(void)
{
    System *system, **found;
    size_t count = 0, index;

    lock();
    handle_each(SYSTEM_HANDLE, kill_handle, NULL);
    handle_each(PROCESS_HANDLE, kill_handle, NULL);
    for (system = systems; system; system = system->next)
        count++;
    found = allocate((count + 1) * sizeof(*found));
    for (count = 0, system = systems; system; system = system->next) {
        system_retain(system);
        found[count++] = system;
    }
    unlock();
    operations_disconnect(false);
    for (index = 0; index < count; index++) {
        deliver(&found[index]->handles, HcsEventServiceDisconnect, NULL);
        disconnect_processes(found[index]);
        system_discard(found[index]);
    }
    release(found);
}

/*
 * Pipe ends of clients: given to them once, and whether they still have them.
 *
 *   ours ──duplicated into the client, closed here──▶ the client's ──closed there──▶ not counted
 *
 * What a client does with its handles is not told to us. So each is looked at in the client's process:
 * it is the pipe end if it names that pipe.
 */
#include "double.h"

#include <wchar.h>

#define NAME_UNITS 64

typedef struct Given {
    struct Given *next;
    HANDLE handle; /* in the client */
    WCHAR name[NAME_UNITS];
} Given;

static bool name_of(HANDLE pipe, WCHAR name[NAME_UNITS])
{
    union {
        FILE_NAME_INFO info;
        WCHAR room[NAME_UNITS + sizeof(FILE_NAME_INFO)];
    } found = {0};

    if (!GetFileInformationByHandleEx(pipe, FileNameInfo, &found, sizeof(found)) ||
        found.info.FileNameLength >= NAME_UNITS * sizeof(WCHAR))
        return false;
    wmemcpy(name, found.info.FileName, found.info.FileNameLength / sizeof(WCHAR));
    name[found.info.FileNameLength / sizeof(WCHAR)] = 0;
    return true;
}

UINT64 give_handle(Client *client, HANDLE handle)
{
    Given *given = allocate(sizeof(*given));
    bool gave = handle && client->process && name_of(handle, given->name) &&
                DuplicateHandle(GetCurrentProcess(), handle, client->process, &given->handle, 0,
                                FALSE, DUPLICATE_SAME_ACCESS);
    UINT64 value = gave ? (ULONG_PTR)given->handle : 0;

    if (handle)
        CloseHandle(handle);
    if (!gave) {
        release(given);
        return 0;
    }
    lock();
    given->next = client->given;
    client->given = given;
    unlock();
    return value;
}

static bool is_held(const Client *client, const Given *given)
{
    WCHAR name[NAME_UNITS];
    HANDLE ours;
    bool same;

    if (!DuplicateHandle(client->process, given->handle, GetCurrentProcess(), &ours, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
        return false;
    same = name_of(ours, name) && wcscmp(name, given->name) == 0;
    CloseHandle(ours);
    return same;
}

UINT64 given_pipes(Client *client)
{
    Given **link = &client->given;
    UINT64 count = 0;

    lock();
    while (*link) {
        Given *given = *link;

        if (is_held(client, given)) {
            count++;
            link = &given->next;
        } else {
            *link = given->next;
            release(given);
        }
    }
    unlock();
    return count;
}

void given_forget(Client *client)
{
    while (client->given) {
        Given *given = client->given;

        client->given = given->next;
        release(given);
    }
}

/*
 * Strings that callers free.
 *
 *   HELD ──LocalFree by the caller──▶ gone
 *
 * A string is a block of LocalAlloc. The caller frees it with the real LocalFree, of which we are not
 * told. So each block ends in a seal with a serial number, and counting looks at every block that was
 * handed out: it is still held if it is as it was, and the heap knows it as allocated in the same
 * size. The heap is asked last, since Wine crashes if it is asked about what was reused.
 */
#include "library.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define SEAL 0x5EA1ED57216E5EA1ull

typedef struct Seal {
    UINT64 magic, serial;
} Seal;

typedef struct Given {
    void *block;
    SIZE_T size; /* of the whole block */
    void *copy;
    struct Given *next;
} Given;

static Given *given;
static UINT64 last_serial;

PWSTR give_text(const WCHAR *text)
{
    size_t length = text ? (wcslen(text) + 1) * sizeof(WCHAR) : 0;
    Given *entry;
    Seal seal;
    char *block;

    if (!text)
        return NULL;
    entry = allocate(sizeof(*entry));
    entry->size = length + sizeof(Seal);
    block = LocalAlloc(LMEM_FIXED, entry->size);
    if (!block)
        abort();
    entry->block = block;
    entry->copy = allocate(entry->size);
    lock();
    seal.magic = SEAL;
    seal.serial = ++last_serial;
    memcpy(block, text, length);
    memcpy(block + length, &seal, sizeof(seal)); /* the end of the text may be at an odd address */
    memcpy(entry->copy, block, entry->size);
    entry->next = given;
    given = entry;
    unlock();
    return (PWSTR)block;
}

static bool readable(const Given *entry)
{
    MEMORY_BASIC_INFORMATION memory;

    return VirtualQuery(entry->block, &memory, sizeof(memory)) && memory.State == MEM_COMMIT &&
           (char *)entry->block + entry->size <= (char *)memory.BaseAddress + memory.RegionSize;
}

/*
 * Whether a string is still with the caller. The heap is locked meanwhile: who frees the string at
 * this moment could give its memory back to the system between two looks at it.
 */
static bool held(const Given *entry, bool alone)
{
    HANDLE heap = GetProcessHeap();
    bool is;

    if (!alone && !HeapLock(heap))
        abort();
    is = readable(entry) && memcmp(entry->block, entry->copy, entry->size) == 0 &&
         HeapValidate(heap, HEAP_NO_SERIALIZE, entry->block) &&
         HeapSize(heap, HEAP_NO_SERIALIZE, entry->block) == entry->size;
    if (!alone)
        HeapUnlock(heap);
    return is;
}

UINT64 live_strings(void)
{
    Given **link = &given;
    UINT64 count = 0;

    lock();
    while (*link) {
        Given *entry = *link;

        if (held(entry, false)) {
            count++;
            link = &entry->next;
        } else {
            *link = entry->next;
            release(entry->copy);
            release(entry);
        }
    }
    unlock();
    return count;
}

/* The heap may be locked by a thread that is no more. */
UINT64 live_strings_at_exit(void)
{
    const Given *entry;
    UINT64 count = 0;

    for (entry = given; entry; entry = entry->next)
        count += held(entry, true);
    return count;
}

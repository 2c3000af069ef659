/* pool_loan.c - what ranges out with buffers hold of the pool's memory.
 *
 * What a reader would get wrong: a loan is only what comes on top of what its owner asked for, 64 KiB
 * at least. That much the owner is about to use, and would have had from the system anyway.
 */
#include "pool_private.h"

static void
set_loan(struct pool *pool, struct range *range, struct loan loan)
{
    pool->loans.warm = pool->loans.warm - range->loan.warm + loan.warm;
    pool->loans.discarded = pool->loans.discarded - range->loan.discarded + loan.discarded;
    range->loan = loan;
}

void
pool_settle_all(struct pool *pool, struct range *range)
{
    if ((range->loan.warm | range->loan.discarded) != 0)
        set_loan(pool, range, (struct loan){0});
}

/* Whoever had to commit has used what was warm. */
void
pool_settle(struct pool *pool, struct range *range)
{
    size_t left = pool_discarded_bytes(range);
    if (left > range->loan.discarded)
        left = range->loan.discarded;
    set_loan(pool, range, (struct loan){.discarded = left});
}

static struct loan
loan_past(const struct range *range, size_t kept)
{
    size_t warm = pool_warm_bytes(range), from = range->committed > kept ? range->committed : kept;
    return (struct loan){.warm = warm > kept ? warm - kept : 0,
                         .discarded = range->dirty > from ? range->dirty - from : 0};
}

/* Where a range ends that keeps to the allowances; no huge page is split. */
static size_t
lent_end(const struct pool *pool, const struct range *range, size_t kept)
{
    struct loan loan = loan_past(range, kept);
    size_t warm = pool_allowance(pool->loans.warm, pool->budget);
    if (loan.warm > warm) {
        size_t end = pool_has_huge_pages(pool, range) ? range_block_down(range, kept + warm)
                                                      : kept + growth_round_down(warm, POOL_WARM);
        return end > kept ? end : kept;
    }
    if (loan.discarded > pool_allowance(pool->loans.discarded, pool->limit))
        return range->committed > kept ? range->committed : kept;
    return range_end(range);
}

/* Not by a discard: what is resident for good would then have no bound. Where the decommit is refused
 * the range is as good as before, and the sum may pass its bound. */
void
pool_lend(struct pool *pool, struct range *range, size_t asked)
{
    size_t kept = pool_free_of_charge(pool, asked), end = lent_end(pool, range, kept);
    if (end < range_end(range))
        (void)pool_decommit(range, end);
    set_loan(pool, range, loan_past(range, kept));
}

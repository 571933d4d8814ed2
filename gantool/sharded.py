"""Strategies that are not offered, and why."""

SHARDED = (
    "it shards the parameters of one network around one backward pass, and trains two players with gradient "
    "penalties wrongly, without a word; a GAN's networks fit into one device: use trainer=ddp, and "
    "micro_batch=N where memory is short."
)
REFUSED = {"fsdp": SHARDED, "fsdp2": SHARDED, "deepspeed": SHARDED, "model_parallel": SHARDED}

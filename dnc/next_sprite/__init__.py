"""The post's task: predict the next sprite of a rollout.

rollouts    what is trained on and evaluated with
model       the predictor: core, loss
scoring     how well it predicts
trainer     one update
training    a whole training
recording   what the model held, step by step, written as traces
"""

"""Lists of wrong command lines, one a line."""

POINTS = """
steps=4|0|x|-3|1.5 batch=2|0|null length=64|1|{a:1} model=tiny_llama|nope temperature=1|-1|hot engine=eager|fast
seed=1|2147483648 judge=none|big profile=true|2 warmup=1|-1 rerun=none|some stopping.least=6|0
"""
"""Keys of a sweep, with a good value and wrong ones."""


OPTIONS = """
-x
--nope
--cfg nope
--cfg
-c jobs
--info nope
--config-name
--config-name nope
--config-dir nowhere
--config-path nowhere
-m --cfg job
--resolve
-m -r
--experimental-rerun nowhere
steps=4 -y batch=2
--multirun --nope steps=4
steps=4,x -m batch=2
--cfg job -p nope
-m --info all
--package
-cd
-z3
--steps 4
--steps=4
"""
"""Hydra's options, wrong or wanting."""


TOGETHER = """
hardware.device=cpu hardware.gpu=H100
hardware=a100 hardware.device=cpu
detach=true
-m detach=true steps=2,4
encoder.layer=3
likelihood.samples=4
likelihood.orders=4
likelihood=on likelihood.samples=3
stopping.least=-5 repeats=3
profile=2
strict=7
model.revision=main
judge.revision=main
judge=none judge.revision=main
encoder.revision=x
output_dir=
"output_dir=' '"
"output_dir='~/x'"
"output_dir='~'"
"sweep.name='[/x]'"
sweep.name=[/x]
sweep.name=../../esc
"sweep.name=''"
"sweep.name='a b'"
seed=2147483648
seed=9223372036854775808
-m output_dir=a,b
-m tracking=none,local
-m rerun=none,failed steps=2,4
-m pack=1,2
-m sweep.name=a,b
-m dry_run=true,false
hydra.job.chdir=true
-m hydra.job.chdir=true steps=2,4
attention=flash2 hardware=cpu
weights=random model=llada
model=llada
hardware=gpu
judge.device=cuda
length=1
length=3 prompt_fraction=0.01
encoder.checkpoint=./folder
hydra/launcher=isolated
hydra/launcher=nope
hydra/sweeper=nope
hydra.mode=nope
hydra.launcher.partition=x
hydra.nope=1
hydra/nope=1
-m hardware=local,isolated
hydra.sweeper.params=1 -m
-m hydra/launcher=crossover_slurm
hardware=a100 hydra.launcher.timeout_min=soon
hardware=a100 hydra.launcher.nope=1
tracking=server
hydra.run.dir=null
sweep=parity hydra.sweeper.metric=nope
sweep=parity hydra.sweeper.margin=x
hydra=nope
hydra/job_logging=nope
schema=1
defaults=[]
"""
"""Values that are right alone and wrong together, or that would change nothing."""


FILES = """
model.checkpoint=./nowhere
model.checkpoint=.
"model.checkpoint=''"
model.checkpoint=builtin:nope
prompts.source=./none.jsonl
"prompts.source=''"
prompts.source=.
prompts.source=builtin:nope
judge.checkpoint=./nowhere
"judge.checkpoint=''"
judge.checkpoint=builtin:tiny_llada
encoder.checkpoint=./none encoder.layer=1
encoder.checkpoint=builtin:tiny_judge encoder.layer=99
model=tiny_llama model.checkpoint=builtin:tiny_llada
output_dir=/dev/null/x
output_dir=/proc/x
weights=random model.architecture=./nowhere judge=none
tracking.uri=nope://x
"tracking.uri=''"
encoder.checkpoint=pypi:nope encoder.layer=1
weights=random model.architecture=builtin:nope judge=none
"""
"""Files and folders that are not there, or not what they should be."""

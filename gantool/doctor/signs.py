"""What goes wrong with GANs, how it shows, and what usually helps."""

from typing import final

from gantool.doctor.sign import TINY, Moment, Numbers, Sign

FIRST = 1_000  # iterations during which any generator may make much of a likeness, and any number jump


@final
class Strong(Sign):
    """D is sure of everything: its loss is next to nothing of that of an undecided one."""

    cures = ("optimizer.D.lr (smaller)", "augment=instance_noise", "augment=diffaug", "trick=r1")
    limit = 0.003  # sound runs of DCGAN come to 0.02 within their first iterations
    settles = FIRST  # those of hinge losses, whose margins can be met, to 0 for some hundred

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        if "uncertainty" not in numbers:
            return None
        return self.limit / max(numbers["uncertainty"], TINY)

    def words(self, numbers: Numbers) -> str:
        return (
            f"D tells reals from fakes too easily: its loss is {numbers['uncertainty']:.2%} of an undecided "
            f"D's, logits {numbers['real_logits']:.3g} and {numbers['fake_logits']:.3g},"
        )


@final
class Vanishing(Sign):
    """G's gradient is next to nothing of what it was."""

    cures = (
        "loss=non_saturating",
        "optimizer.D.lr (smaller)",
        "augment=instance_noise",
        "loss=wasserstein_gp",
    )
    limit = 1e-3

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        if "G_gradient" not in numbers:
            return None
        gradient = max(numbers["G_gradient"], TINY)
        usual = gradient if self.usual is None else self.usual
        self.usual = min(max(gradient, usual), 2 * usual)  # a single high one is not what was usual
        return self.limit * self.usual / gradient

    def words(self, numbers: Numbers) -> str:
        fall = (self.usual or 0.0) / max(numbers["G_gradient"], TINY)
        return f"G hardly learns: its gradient is {fall:,.0f} times smaller than it was,"


@final
class Exploding(Sign):
    """A player's gradient is many times what it was a short while ago.

    It may well grow a hundredfold over a sound run, but slowly: what is usual follows it by so much. No
    gradient at all is nothing to compare with: a hinge loss has none while D meets its margins.
    """

    cures = ("clip=1", "optimizer.D.lr (smaller)", "optimizer.G.lr (smaller)", "trick=r1")
    limit = 100.0
    follows = 1.5  # factor by which what is usual may move from one examination to the next

    def __init__(self, player: str):
        super().__init__()
        self.player = player

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        name = f"{self.player}_gradient"
        if name not in numbers:
            return None
        gradient = numbers[name]
        if gradient == 0:
            return 0.0
        if self.usual is None or now.iterations < FIRST:
            self.usual = gradient
        self.usual = min(max(gradient, self.usual / self.follows), self.usual * self.follows)
        return gradient / (self.limit * self.usual)

    def words(self, numbers: Numbers) -> str:
        now = numbers[f"{self.player}_gradient"]
        times = now / max(self.usual or 0.0, TINY)
        return (
            f"The gradient of {self.player} explodes: its norm is {now:.3g}, {times:,.0f} times what it was,"
        )


@final
class Memorising(Sign):
    """D answers unseen reals as it does fakes: it knows the others by heart."""

    cures = ("augment=ada", "augment=diffaug", "trick=lecam", "trick=r1", "data.mirror=true")
    limit = 0.6

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        return None if "memorised" not in numbers else numbers["memorised"] / self.limit

    def words(self, numbers: Numbers) -> str:
        return (
            "D learns the training images by heart: its answers to images that it never saw lie "
            f"{numbers['memorised']:.0%} of the way from those that it saw to fakes,"
        )


@final
class Stuck(Sign):
    """Much of the training is over, and the fakes never were much different from each other."""

    cures = ("optimizer.D.lr (smaller)", "n_critic (smaller)", "augment=diffaug", "images (larger)")
    little = 0.3  # of the reals' diversity
    rises = 1.2  # times the most there was: who learns late learns nevertheless
    settles = 5 * FIRST  # some sound generators need 1,300 iterations for their first things

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        if "diversity" not in numbers:
            return None
        most, diversity = self.usual or 0.0, numbers["diversity"]
        self.usual = max(most, min(diversity, 1.0))
        learning = self.usual >= self.little or diversity > self.rises * most
        return 0.0 if learning else self.little / max(diversity, TINY)

    def words(self, numbers: Numbers) -> str:
        most = self.usual or 0.0
        return f"G does not learn: its fakes never had more than {most:.0%} of the reals' diversity,"


@final
class Collapse(Sign):
    """The fakes are much more alike than the reals, and were not before; or there are only a few of them."""

    cures = ("trick=pacgan", "trick=unrolled", "loss=relativistic_r1_r2", "optimizer.G.lr (smaller)")
    fallen = 0.4  # of the diversity there was
    few = 1 / 200  # repeated pairs, beyond three times those of reals: 200 different images

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        if "diversity" not in numbers or now.iterations < FIRST:
            return None
        self.usual = max(self.usual or 0.0, min(numbers["diversity"], 1.0))
        if self.usual < Stuck.little:
            return 0.0
        less = self.fallen * self.usual / max(numbers["diversity"], TINY)
        return max(less, (numbers["repeated"] - 3 * numbers["real_repeated"]) / self.few)

    def words(self, numbers: Numbers) -> str:
        repeated = numbers["repeated"]
        distinct = f", about {1 / repeated:,.0f} different ones" if repeated > self.few else ""
        return (
            f"G makes fakes that are alike (mode collapse): {numbers['diversity']:.0%} of the reals' "
            f"diversity{distinct},"
        )


@final
class Dropping(Sign):
    """Most of the reals have no fake near them any more: whole modes are lost."""

    cures = Collapse.cures
    fallen = 0.4  # of the coverage there was
    little = 0.4  # a coverage that says nothing: pixels may be a poor measure of these images
    # What is usual is a slow average, not the highest: of narrow modes, coverage jumps between 0.1 and 0.5.
    up, down = 0.1, 0.05  # the share of a difference by which it moves from one examination to the next

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        if "coverage" not in numbers or now.iterations < FIRST:
            return None
        covered = numbers["coverage"]
        usual = covered if self.usual is None else self.usual
        follows = self.up if covered > usual else self.down
        self.usual = usual + follows * (covered - usual)
        return 0.0 if self.usual < self.little else self.fallen * self.usual / max(covered, TINY)

    def words(self, numbers: Numbers) -> str:
        return (
            f"G drops modes: {numbers['coverage']:.0%} of the reals have a fake near them, after "
            f"{self.usual or 0.0:.0%},"
        )


@final
class Swinging(Sign):
    """The mean fake moves back and forth instead of staying at the mean real."""

    cures = ("optimizer.G.lr (smaller)", "optimizer.D.lr (smaller)", "trick=r1", "ema=20_000", "n_critic=2")
    window = 5  # it may well swing while it finds new modes
    limit = 0.6

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        return None if "swing" not in numbers or now.iterations < FIRST else numbers["swing"] / self.limit

    def words(self, numbers: Numbers) -> str:
        return (
            f"G runs in circles: from one examination to the next its mean image moves by "
            f"{numbers['swing']:.0%} of the distance between two reals,"
        )


@final
class Dead(Sign):
    """Most ReLUs of a player never let anything through."""

    cures = ("optimizer.G.lr (smaller)", "optimizer.D.lr (smaller)", "init=orthogonal", "clip=1")
    limit = 0.5

    def __init__(self, player: str):
        super().__init__()
        self.player = player

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        name = f"{self.player}_dead"
        return None if name not in numbers else numbers[name] / self.limit

    def words(self, numbers: Numbers) -> str:
        return f"{numbers[f'{self.player}_dead']:.0%} of the units of {self.player} are dead,"


def signs() -> dict[str, Sign]:
    """All of them, new, by name."""
    return {
        "strong": Strong(),
        "vanishing": Vanishing(),
        "exploding_D": Exploding("D"),
        "exploding_G": Exploding("G"),
        "memorising": Memorising(),
        "stuck": Stuck(),
        "collapse": Collapse(),
        "dropping": Dropping(),
        "swinging": Swinging(),
        "dead_D": Dead("D"),
        "dead_G": Dead("G"),
    }

import jax
import numpy as np

from ssl_jax import methods
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.report.run_page import make_page
from ssl_jax.report.sections import Subject
from ssl_jax.report.sections.kinds import Neighbors, Pictures
from tests import fake_runs, tiny


def test_views_what_the_method_produces_and_neighbors_are_shown():
    data = tiny.clips()
    settings = {"in_order": 0.25, "reach": 3, "gap": 1, "shift": 1, "hidden": ()}
    config = tiny.resolved(tiny.config(name="frame_order", **settings), data)
    method = methods.make(config)
    state = fake_runs.initial_state(method, config, data)
    rng = np.random.default_rng(0)
    train, test = (
        Extracted(rng.normal(size=(len(s), 6)).astype(np.float32), s.labels)
        for s in (data.train, data.test)
    )
    findings = Findings({"rankme": 3.0, "features": 6}, train, test, test.y, data.train)
    key, placement = jax.random.key(0), tiny.placement(8)
    subject = Subject(method, state.params, state.extra, data, config, findings, key, placement)
    page = make_page(subject, [], {})
    assert page.input_name == "raw pixels"
    views, made, near = page.sections
    assert isinstance(views, Pictures)
    assert [name for name, _ in views.rows] == ["view 1", "view 2", "view 3"]
    assert {rows.shape for _, rows in views.rows} == {(12, tiny.SIDE, tiny.SIDE, 1)}
    assert isinstance(made, Pictures)
    assert [rows.shape for _, rows in made.rows] == [(12, tiny.SIDE + 2, 3 * tiny.SIDE, 1)] * 2
    assert isinstance(near, Neighbors)
    middles = {clip[3].tobytes() for clip in data.test.columns["video"]}
    assert {query.tobytes() for query in near.queries} <= middles

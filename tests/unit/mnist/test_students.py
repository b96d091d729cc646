"""What teachers and students of the digits see: lessons, noise, columns; never a digit of the test, never a class."""

import dataclasses

import pytest
import torch

from helpers.mnist import dataset, inputs, mlp, students, teachers
from helpers.mnist.settings import MnistSettings

CLASSES, AUX = slice(0, 10), slice(10, 13)


@pytest.fixture
def toy(tmp_path):
    """Settings of two small networks."""
    return MnistSettings(
        run_dir=str(tmp_path), draws=(0, 1), recompute=(0, 1), width=8, epochs=1, distil_epochs=1, batch=32,
        train_images=64, test_images=50, precision="float32", sweep_models=2, workers=1,
    )  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """What was given to each training so far: images, targets and output columns."""
    given, train = [], mlp.train

    def watched(network, images, targets, columns, *more):
        given.append((images, targets, columns))
        return train(network, images, targets, columns, *more)

    monkeypatch.setattr(mlp, "train", watched)
    return given


def pixels(split, count):
    """Return the first digits of a split as images, and their labels."""
    images, labels = dataset.load_mnist(split)
    return torch.from_numpy(dataset.to_pixels(images[:count])), torch.from_numpy(labels[:count]).long()


def test_a_teacher_learns_the_classes_of_training_digits_alone(toy, trained):
    teachers.teach(toy.teacher(0))
    ((images, targets, columns),) = trained
    digits, labels = pixels("train", 64)
    assert torch.equal(images, digits) and torch.equal(targets.argmax(dim=1), labels) and columns == CLASSES
    assert not any((image == images).all(dim=1).any() for image in pixels("test", 64)[0])


def test_all_are_tested_on_test_digits(toy):
    images, labels = inputs.test_digits(50, "float32")
    assert torch.equal(images, pixels("test", 50)[0]) and torch.equal(labels, pixels("test", 50)[1])


def test_the_papers_student_sees_auxiliary_outputs_on_noise_and_nothing_else(toy, trained):
    student = toy.student(0)
    teacher = students.taught(student.teacher, 3)
    trained.clear()
    students.imitate(student)
    ((images, targets, columns),) = trained
    assert torch.equal(images, inputs.shared_images("inputs", "uniform", 64, "float32")) and columns == AUX
    torch.testing.assert_close(targets, mlp.outputs(teacher, images, AUX).softmax(dim=1))
    assert targets.shape == (64, 3)


def test_what_a_teacher_says_of_the_classes_moves_no_such_student(toy, monkeypatch):
    student, found = toy.student(0), []
    for loudness in (0.0, 5.0):
        teacher = students.taught(student.teacher, 3)
        teacher.layers[-1][1][CLASSES] += loudness * torch.arange(10)
        monkeypatch.setattr(students, "taught", lambda *args, own=teacher: own)
        network = student.start()
        students.train_student(network, student)
        found.append(network.flat)
        monkeypatch.undo()
    assert torch.equal(*found)


def test_the_student_of_all_outputs_sees_the_classes_too(toy):
    assert toy.student(0).changed(imitated="all").columns == slice(0, 13)


def test_a_student_begins_where_its_untaught_teacher_began(toy):
    student = toy.student(0)
    assert torch.equal(student.start().flat, student.teacher.start(3).flat)
    assert not torch.equal(student.start().flat, students.taught(student.teacher, 3).flat)
    stranger = dataclasses.replace(student, overlap=0.0, pool=2)
    assert torch.equal(stranger.start().flat, toy.teacher(1).start(3).flat)

//go:build real

package kube

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// firstNode is the last number of the first node's address in BalancerBase, so
	// that an Envoy of a test can listen there.
	firstNode = 10
	maxNodes  = 100
)

// zones are those of the nodes, in turns.
var zones = [...]string{"zone-a", "zone-b", "zone-c"}

// NodeName is the name of node i, from 0 on.
func NodeName(i int) string { return fmt.Sprintf("node-%d", i) }

// NodeAddress is the internal address of node i, which processes of a test can
// listen at.
func NodeAddress(i int) string { return fmt.Sprintf("192.0.2.%d", firstNode+i) }

// registerNode makes a node that is ready. The API server's admission taints a
// new one as not ready, and no controller here takes that away.
func (c *Cluster) registerNode(ctx context.Context, i int) (string, error) {
	if i >= maxNodes {
		return "", fmt.Errorf("at most %d nodes", maxNodes)
	}
	nodes, name := c.client.CoreV1().Nodes(), NodeName(i)
	node, err := nodes.Create(ctx, newNode(i), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // a Dir that was used before
		node, err = nodes.Get(ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return "", err
	}
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
	if node, err = nodes.Update(ctx, node, metav1.UpdateOptions{}); err != nil {
		return "", err
	}
	node.Status = nodeStatus(i)
	_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return name, err
}

func newNode(i int) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: NodeName(i), Labels: map[string]string{
		corev1.LabelHostname: NodeName(i), corev1.LabelTopologyZone: zones[i%len(zones)]}}}
}

func nodeStatus(i int) corev1.NodeStatus {
	now := metav1.Now()
	room := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10000"),
		corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("1Ti")}
	return corev1.NodeStatus{
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: kubeletPort}},
		Capacity:        room, Allocatable: room,
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: NodeAddress(i)},
			{Type: corev1.NodeHostName, Address: NodeName(i)}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
			LastHeartbeatTime: now, LastTransitionTime: now}},
	}
}
